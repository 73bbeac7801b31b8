#include "anemone/data/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <optional>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"

namespace anemone {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using Json = nlohmann::json;

// The limit of the reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kLengthBytes = 8;
constexpr const char* kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};

constexpr TypeName kTypeNames[] = {
    {"BOOL", DType::kBool},  {"U8", DType::kUInt8},   {"I8", DType::kInt8},
    {"I16", DType::kInt16},  {"U16", DType::kUInt16}, {"I32", DType::kInt32},
    {"U32", DType::kUInt32}, {"I64", DType::kInt64},  {"U64", DType::kUInt64},
    {"F16", DType::kFp16},   {"BF16", DType::kBf16},  {"F32", DType::kFp32},
    {"F64", DType::kFp64},
};

std::optional<DType> dtype_of_name(std::string_view name) {
  for (const TypeName& row : kTypeNames) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::string_view name_of_dtype(DType dtype) {
  for (const TypeName& row : kTypeNames) {
    if (row.dtype == dtype) return row.name;
  }
  return {};
}

size_t element_bytes(DType dtype) { return static_cast<size_t>(bits(dtype)) / 8; }

Shape parse_shape(const Json& json, const std::string& where) {
  if (!json.is_array()) fail(where, "its shape is not a list");
  Shape shape;
  uint64_t count = 1;
  for (const Json& size : json) {
    if (!size.is_number_unsigned()) fail(where, "its shape has a size that is not a whole number");
    const auto value = size.get<uint64_t>();
    if (__builtin_mul_overflow(count, value, &count) || value > INT64_MAX / 8 ||
        count > INT64_MAX / 8) {
      fail(where, "its shape has more elements than any file can hold");
    }
    shape.push_back(static_cast<int64_t>(value));
  }
  return shape;
}

const Json& member(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end()) fail(where, fmt::format("has no '{}' in the header", key));
  return *found;
}

std::pair<uint64_t, uint64_t> parse_offsets(const Json& json, uint64_t data_bytes,
                                            const std::string& where) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_number_unsigned() ||
      !json[1].is_number_unsigned()) {
    fail(where, "its data_offsets are not two positions");
  }
  const auto begin = json[0].get<uint64_t>(), end = json[1].get<uint64_t>();
  if (begin > end || end > data_bytes) {
    fail(where,
         fmt::format("its bytes [{}, {}) are outside the {} bytes of data", begin, end, data_bytes),
         "the file is truncated or damaged");
  }
  return {begin, end};
}

std::map<std::string, std::string> parse_metadata(const Json& json, const std::string& where) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) fail(where, "its __metadata__ is not a map");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) fail(where, fmt::format("its metadata '{}' is not text", key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// A C++ bool may hold nothing but 0 and 1.
void check_bools(const std::byte* data, size_t count, const std::string& where) {
  for (size_t i = 0; i < count; ++i) {
    if (data[i] > std::byte{1}) {
      fail(where, fmt::format("element {} is {}, not a BOOL", i, std::to_integer<int>(data[i])));
    }
  }
}

std::string tensor_place(const std::filesystem::path& path, const std::string& name) {
  return fmt::format("{}, tensor '{}'", path.string(), name);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  check_layout(read_header());
}

// Returns the position of the first byte of data.
size_t SafetensorsFile::read_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string where = path().string();
  if (bytes.size() < kLengthBytes) {
    fail(where, fmt::format("{} bytes are too few for a safetensors file", bytes.size()));
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - kLengthBytes) {
    fail(where,
         fmt::format("a header of {} bytes does not fit into {} bytes", header_bytes, bytes.size()),
         "the file is truncated, or not a safetensors file");
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  const Json header = parse_strict_json({text, header_bytes}, where + ", header");
  if (!header.is_object()) fail(where, "the header is not a JSON object");

  const size_t data_begin = kLengthBytes + header_bytes;
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadata) {
      metadata_ = parse_metadata(json, where);
      continue;
    }
    const std::string place = tensor_place(path(), name);
    if (!json.is_object()) fail(place, "its entry in the header is not a JSON object");
    const Json& type = member(json, "dtype", place);
    const auto dtype = type.is_string() ? dtype_of_name(type.get<std::string>()) : std::nullopt;
    if (!dtype) {
      fail(place, fmt::format("element type {} is not supported", brief(type)),
           "convert the file to F32, F16 or BF16");
    }
    const Shape shape = parse_shape(member(json, "shape", place), place);
    const auto [begin, end] =
        parse_offsets(member(json, "data_offsets", place), bytes.size() - data_begin, place);
    const uint64_t needed = byte_size(*dtype, element_count(shape));
    if (needed != end - begin) {
      fail(place, fmt::format("shape {} of {} needs {} bytes, the header gives it {}",
                              to_string(shape), name_of_dtype(*dtype), needed, end - begin));
    }
    entries_[name] = {*dtype, shape, data_begin + begin, data_begin + end};
  }
  return data_begin;
}

// Every byte of the data belongs to exactly one tensor.
void SafetensorsFile::check_layout(size_t data_begin) const {
  std::vector<std::pair<const std::string*, const Entry*>> order;
  for (const auto& [name, entry] : entries_) order.emplace_back(&name, &entry);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  size_t position = data_begin;
  for (const auto& [name, entry] : order) {
    const std::string place = tensor_place(path(), *name);
    if (entry->begin < position) fail(place, "its bytes overlap another tensor's");
    if (entry->begin > position) {
      fail(place, fmt::format("{} bytes before it belong to no tensor", entry->begin - position));
    }
    position = entry->end;
  }
  if (position != file_.bytes().size()) {
    fail(path().string(),
         fmt::format("{} bytes at the end belong to no tensor", file_.bytes().size() - position));
  }
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(path().string(), fmt::format("has no tensor '{}'", name), "is it the right model?");
  }
  return found->second;
}

TensorView SafetensorsFile::describe(const std::string& name) const {
  const Entry& found = entry(name);
  return {found.dtype, found.shape, nullptr};
}

bool SafetensorsFile::is_aligned(const std::string& name) const {
  const Entry& found = entry(name);
  const std::byte* data = file_.bytes().data() + found.begin;
  return reinterpret_cast<uintptr_t>(data) % element_bytes(found.dtype) == 0;
}

TensorView SafetensorsFile::view(const std::string& name) const {
  const Entry& found = entry(name);
  const std::byte* data = file_.bytes().data() + found.begin;
  const std::string place = tensor_place(path(), name);
  if (!is_aligned(name)) {
    fail(place, "is not aligned for its element type", "read a copy, or write the file again");
  }
  if (found.dtype == DType::kBool) check_bools(data, found.end - found.begin, place);
  return {found.dtype, found.shape, const_cast<std::byte*>(data)};
}

Tensor SafetensorsFile::read(const std::string& name, DType as) const {
  const Entry& found = entry(name);
  const std::byte* data = file_.bytes().data() + found.begin;
  if (found.dtype == DType::kBool) {
    check_bools(data, found.end - found.begin, tensor_place(path(), name));
  }
  Tensor stored(found.dtype, found.shape);
  if (stored.bytes() > 0) std::memcpy(stored.data(), data, stored.bytes());
  return as == found.dtype ? std::move(stored) : stored.cast(as);
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, TensorView>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  auto order = tensors;
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    const int a_bits = bits(a.second.dtype), b_bits = bits(b.second.dtype);
    return a_bits != b_bits ? a_bits > b_bits : a.first < b.first;
  });
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t position = 0;
  for (const auto& [name, tensor] : order) {
    const std::string place = tensor_place(path, name);
    const std::string_view type = name_of_dtype(tensor.dtype);
    if (type.empty()) {
      fail(place, fmt::format("safetensors has no element type {}", anemone::name(tensor.dtype)));
    }
    if (name == kMetadata || header.contains(name)) fail(place, "the name is already taken");
    const uint64_t end = position + tensor.bytes();
    header[name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {position, end}}};
    position = end;
  }

  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    fail(path.string(), fmt::format("a name or metadata is not UTF-8: {}", error.what()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t header_bytes = text.size();
  FileWriter writer(path);
  writer.write(&header_bytes, kLengthBytes);
  writer.write(text);
  for (const auto& [name, tensor] : order) writer.write(tensor.data, tensor.bytes());
  writer.commit();
}

}  // namespace anemone
