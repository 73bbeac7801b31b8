#include "anemone/package/wire_scan.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

namespace anemone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Bytes = std::span<const std::byte>;

constexpr int kMaxDepth = 100;  // protobuf's own limit

// Takes numbers and runs of bytes off the front; false where there are none.
class Wire {
 public:
  explicit Wire(Bytes bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }

  bool take(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = std::to_integer<uint64_t>(bytes_[0]);
      bytes_ = bytes_.subspan(1);
      value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool take(uint64_t size, Bytes& part) {
    if (size > bytes_.size()) return false;
    part = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return true;
  }

 private:
  Bytes bytes_;
};

class Scan {
 public:
  explicit Scan(size_t most) : most_(most) {}

  void message(Bytes bytes, const Descriptor& descriptor, const std::string& path, int depth) {
    Wire wire(bytes);
    while (!wire.done() && depth < kMaxDepth && found_.size() < most_) {
      uint64_t tag = 0;
      Bytes content;
      if (!wire.take(tag) || !skip(wire, tag % 8, content)) return;
      field(descriptor, static_cast<int>(tag / 8), content, tag % 8 == 2, path, depth);
    }
  }

  std::vector<std::string> found() && { return std::move(found_); }

 private:
  // Takes the value behind a tag; `content` is what stands behind a length.
  static bool skip(Wire& wire, uint64_t kind, Bytes& content) {
    uint64_t number = 0;
    switch (kind) {
      case 0:
        return wire.take(number);
      case 1:
        return wire.take(8, content);
      case 2:
        return wire.take(number) && wire.take(number, content);
      case 5:
        return wire.take(4, content);
      default:
        return false;
    }
  }

  void field(const Descriptor& descriptor, int number, Bytes content, bool has_length,
             const std::string& path, int depth) {
    const FieldDescriptor* known = descriptor.FindFieldByNumber(number);
    if (!known) return add(path + "field " + std::to_string(number));
    if (!has_length || known->type() != FieldDescriptor::TYPE_MESSAGE) return;
    // An entry of a map is a message of a key and a value.
    const std::string name = known->is_map() ? "" : known->name() + ".";
    message(content, *known->message_type(), path + name, depth + 1);
  }

  void add(std::string path) {
    if (std::find(found_.begin(), found_.end(), path) == found_.end()) {
      found_.push_back(std::move(path));
    }
  }

  size_t most_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> unknown_fields(std::span<const std::byte> bytes, const Descriptor& message,
                                        size_t most) {
  Scan scan(most);
  scan.message(bytes, message, "", 0);
  return std::move(scan).found();
}

}  // namespace anemone
