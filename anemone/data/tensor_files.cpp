#include "anemone/data/tensor_files.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/data/file_kind.h"
#include "anemone/data/npy_header.h"
#include "anemone/data/safetensors.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

constexpr std::pair<std::string_view, DType> kTypes[] = {
    {"|b1", DType::kBool},   {"|i1", DType::kInt8},   {"|u1", DType::kUInt8},
    {"<i2", DType::kInt16},  {"<u2", DType::kUInt16}, {"<i4", DType::kInt32},
    {"<u4", DType::kUInt32}, {"<i8", DType::kInt64},  {"<u8", DType::kUInt64},
    {"<f2", DType::kFp16},   {"<f4", DType::kFp32},   {"<f8", DType::kFp64}};

DType dtype_of(const std::string& descr, const std::string& where) {
  for (const auto& [name, dtype] : kTypes) {
    if (name == descr) return dtype;
  }
  fail(where, fmt::format("holds elements of type {}", descr.empty() ? "a structure" : descr),
       "little-endian bools, integers and floats are read");
}

// Elements in Fortran order, the first axis fastest, put into C order.
void from_fortran(const char* data, Tensor& tensor) {
  const Shape& shape = tensor.shape();
  const auto size = static_cast<size_t>(bits(tensor.dtype())) / 8;
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int64_t at = 0;
    for (size_t axis = shape.size(); axis-- > 0;) at = at * shape[axis] + index[axis];
    std::memcpy(static_cast<char*>(tensor.data()) + static_cast<size_t>(i) * size,
                data + static_cast<size_t>(at) * size, size);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

Tensor parse_npy(std::string_view file, const std::string& where) {
  const NpyHeader header = read_npy_header(file, where);
  const DType dtype = dtype_of(header.descr, where);
  const size_t there = file.size() - header.data_begin;
  int64_t count = 1;
  bool fits = true;
  for (const int64_t size : header.shape) {
    fits = fits && size >= 0 && !__builtin_mul_overflow(count, size, &count);
  }
  const auto bytes = static_cast<size_t>(bits(dtype)) / 8;
  if (!fits || static_cast<size_t>(count) > there || byte_size(dtype, count) != there) {
    fail(where,
         fmt::format("its header says {} elements of {} bytes, but {} bytes follow it",
                     to_string(header.shape), bytes, there),
         "the file is truncated, or was added to");
  }
  Tensor tensor(dtype, header.shape);
  const char* data = file.data() + header.data_begin;
  if (header.fortran_order) {
    from_fortran(data, tensor);
  } else if (there > 0) {
    std::memcpy(tensor.data(), data, there);
  }
  return tensor;
}

std::string npy_bytes(const TensorView& tensor, const std::string& where) {
  std::string descr;
  for (const auto& [name, dtype] : kTypes) {
    if (dtype == tensor.dtype) descr = name;
  }
  if (descr.empty()) {
    fail(where, fmt::format("NumPy has no elements of type {}", name(tensor.dtype)),
         "write a .safetensors file");
  }
  std::string shape;
  for (const int64_t size : tensor.shape) shape += fmt::format("{}, ", size);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  constexpr size_t kPrefix = 10, kAligned = 64;
  const size_t used = kPrefix + header.size() + 1;
  header += std::string((kAligned - used % kAligned) % kAligned, ' ') + "\n";
  std::string bytes = "\x93NUMPY\x01";
  bytes += '\0';
  bytes += static_cast<char>(header.size() % 256);
  bytes += static_cast<char>(header.size() / 256);
  bytes += header;
  return bytes.append(static_cast<const char*>(tensor.data), tensor.bytes());
}

// --- .npz ---

struct CloseZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::string without_ending(const std::string& name) {
  constexpr std::string_view kEnding = ".npy";
  return name.ends_with(kEnding) ? name.substr(0, name.size() - kEnding.size()) : name;
}

std::map<std::string, Tensor> read_npz(const fs::path& path) {
  const std::string where = path.string();
  int code = 0;
  const std::unique_ptr<zip_t, CloseZip> archive(zip_open(where.c_str(), ZIP_RDONLY, &code));
  if (!archive) fail(where, "it is no whole zip archive");
  std::map<std::string, Tensor> tensors;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    zip_stat_t info;
    const auto index = static_cast<zip_uint64_t>(i);
    if (zip_stat_index(archive.get(), index, 0, &info) != 0) fail(where, "an entry is damaged");
    const std::string place = where + ", array '" + without_ending(info.name) + "'";
    const std::unique_ptr<zip_file_t, CloseZip> file(zip_fopen_index(archive.get(), index, 0));
    if (!file) fail(place, "it cannot be unpacked");
    // Grows with what is really there: the size in the archive is only a claim.
    std::string content;
    std::string block(1 << 20, '\0');
    zip_int64_t got = 0;
    while ((got = zip_fread(file.get(), block.data(), block.size())) > 0) {
      content.append(block, 0, static_cast<size_t>(got));
    }
    if (got < 0) fail(place, "its content is damaged");
    tensors.emplace(without_ending(info.name), parse_npy(content, place));
  }
  return tensors;
}

void write_npz(const fs::path& path,
               const std::vector<std::pair<std::string, TensorView>>& tensors) {
  // Made before the archive: this may throw.
  std::vector<std::string> contents;
  for (const auto& [name, tensor] : tensors) {
    contents.push_back(npy_bytes(tensor, path.string() + ", array '" + name + "'"));
  }
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* memory = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* archive = memory ? zip_open_from_source(memory, ZIP_TRUNCATE, &error) : nullptr;
  if (!archive) fail(path.string(), "cannot make a zip archive");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].first;
    zip_source_t* source = zip_source_buffer(archive, contents[i].data(), contents[i].size(), 0);
    const zip_int64_t at = zip_file_add(archive, (name + ".npy").c_str(), source, 0);
    if (at < 0) fail(path.string(), "cannot add array '" + name + "'");
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(at), ZIP_CM_STORE, 0);
    // The same tensors give the same bytes.
    zip_file_set_dostime(archive, static_cast<zip_uint64_t>(at), 0, 33, 0);
  }
  zip_source_keep(memory);
  if (zip_close(archive) != 0) fail(path.string(), "cannot finish the zip archive");
  zip_stat_t info;
  zip_source_stat(memory, &info);
  std::string bytes(info.size, '\0');
  zip_source_open(memory);
  zip_source_read(memory, bytes.data(), bytes.size());
  zip_source_close(memory);
  zip_source_free(memory);
  write_file(path, bytes);
}

std::map<std::string, Tensor> read_safetensors(const fs::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) tensors.emplace(name, file.read(name));
  return tensors;
}

}  // namespace

std::map<std::string, Tensor> read_tensors(const fs::path& path) {
  if (fs::is_directory(path)) fail(path.string(), "it is a directory, not a file of tensors");
  const MappedFile mapped(path);
  const std::string_view content(reinterpret_cast<const char*>(mapped.bytes().data()),
                                 mapped.bytes().size());
  switch (file_kind(content)) {
    case FileKind::kNpy: {
      std::map<std::string, Tensor> tensors;
      tensors.emplace("", parse_npy(content, path.string()));
      return tensors;
    }
    case FileKind::kZip:
    case FileKind::kNpz:
      return read_npz(path);
    default:
      return read_safetensors(path);
  }
}

void write_tensors(const fs::path& path,
                   const std::vector<std::pair<std::string, TensorView>>& tensors) {
  const std::string ending = path.extension().string();
  if (ending == ".npz") return write_npz(path, tensors);
  if (ending != ".npy") return write_safetensors(path, tensors);
  if (tensors.size() != 1) {
    fail(path.string(), fmt::format("a .npy file holds one tensor, not {}", tensors.size()),
         "write a .npz or .safetensors file");
  }
  write_file(path, npy_bytes(tensors[0].second, path.string()));
}

bool converts(const TensorView& tensor, DType wanted) {
  if (tensor.dtype == wanted || (is_float(tensor.dtype) && is_float(wanted))) return true;
  if (tensor.dtype != DType::kInt64 || wanted != DType::kInt32) return false;
  const auto numbers = tensor.as<int64_t>();
  return std::all_of(numbers.begin(), numbers.end(),
                     [](int64_t n) { return n == static_cast<int32_t>(n); });
}

}  // namespace anemone
