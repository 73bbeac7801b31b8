#include "anemone/data/npy_header.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "anemone/base/error.h"

namespace anemone {
namespace {

constexpr size_t kMagicBytes = 6;

[[noreturn]] void fail_header(const std::string& where) {
  fail(where, "its .npy header is damaged", "save it again with numpy.save");
}

// The bytes after "'key':", without blanks at their beginning.
std::string_view value_of(std::string_view dictionary, const char* key, const std::string& where) {
  const std::string quoted = fmt::format("'{}':", key);
  const size_t at = dictionary.find(quoted);
  if (at == std::string_view::npos) fail_header(where);
  std::string_view value = dictionary.substr(at + quoted.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

std::string read_descr(std::string_view value) {
  if (!value.starts_with('\'')) return "";
  return std::string(value.substr(1, value.find('\'', 1) - 1));
}

// "(3, 4)", "(3,)", "()".
Shape read_shape(std::string_view value, const std::string& where) {
  const size_t end = value.find(')');
  if (!value.starts_with('(') || end == std::string_view::npos) fail_header(where);
  Shape shape;
  for (const char *next = value.data() + 1, *last = value.data() + end; next < last;) {
    int64_t size = 0;
    const auto [after, error] = std::from_chars(next, last, size);
    if (error != std::errc() || size < 0) fail_header(where);
    shape.push_back(size);
    next = after;
    while (next < last && (*next == ',' || *next == ' ' || *next == 'L')) ++next;
  }
  return shape;
}

}  // namespace

NpyHeader read_npy_header(std::string_view file, const std::string& where) {
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(file[at])); };
  if (file.size() < kMagicBytes + 6) fail_header(where);
  const size_t version = byte(kMagicBytes);
  if (version < 1 || version > 3) {
    fail(where, fmt::format("its .npy format is version {}, and 1 to 3 are read", version));
  }
  const size_t begin = kMagicBytes + (version == 1 ? 4 : 6);
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > file.size() - begin) fail_header(where);
  const std::string_view dictionary = file.substr(begin, length);
  NpyHeader header;
  header.descr = read_descr(value_of(dictionary, "descr", where));
  header.fortran_order = value_of(dictionary, "fortran_order", where).starts_with("True");
  header.shape = read_shape(value_of(dictionary, "shape", where), where);
  header.data_begin = begin + length;
  return header;
}

}  // namespace anemone
