#include "anemone/package/weight_blob.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "anemone/base/error.h"

namespace anemone {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint64_t kRecordAlignment = 64;
constexpr uint32_t kVersion = 2;
constexpr uint32_t kSentinel = 0xDEADBEEF;

struct Header {
  uint32_t count = 0;
  uint32_t version = kVersion;
  uint64_t reserved[7] = {};
};
static_assert(sizeof(Header) == kRecordAlignment);

struct Metadata {
  uint32_t sentinel = kSentinel;
  uint32_t code = 0;
  uint64_t bytes = 0;
  uint64_t data_offset = 0;
  uint64_t padding_bits = 0;
  uint64_t reserved[4] = {};
};
static_assert(sizeof(Metadata) == kRecordAlignment);

struct Code {
  uint32_t code;
  DType dtype;
};

constexpr Code kCodes[] = {
    {1, DType::kFp16},   {2, DType::kFp32},   {3, DType::kUInt8},   {4, DType::kInt8},
    {5, DType::kBf16},   {6, DType::kInt16},  {7, DType::kUInt16},  {8, DType::kInt4},
    {9, DType::kUInt1},  {10, DType::kUInt2}, {11, DType::kUInt4},  {12, DType::kUInt3},
    {13, DType::kUInt6}, {14, DType::kInt32}, {15, DType::kUInt32},
};
constexpr uint32_t kFp8Codes[] = {16, 17};

std::optional<uint32_t> code_of(DType dtype) {
  for (const Code& row : kCodes) {
    if (row.dtype == dtype) return row.code;
  }
  return std::nullopt;
}

std::optional<DType> dtype_of_code(uint32_t code) {
  for (const Code& row : kCodes) {
    if (row.code == code) return row.dtype;
  }
  return std::nullopt;
}

uint64_t align(uint64_t offset) {
  return (offset + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Unused bits of the last byte.
uint64_t padding_bits(DType dtype, int64_t count) {
  const uint64_t used = static_cast<uint64_t>(count) * static_cast<uint64_t>(bits(dtype)) % 8;
  return (8 - used) % 8;
}

// Absent where it is more than any file has.
std::optional<uint64_t> checked_byte_size(DType dtype, const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  if (count > std::numeric_limits<int64_t>::max() / 64) return std::nullopt;
  return byte_size(dtype, count);
}

std::string spelled(std::optional<DType> dtype) {
  return dtype ? std::string(name(*dtype)) : "fp8";
}

std::string place(const std::filesystem::path& path, uint64_t offset) {
  return fmt::format("{}, offset {}", path.string(), offset);
}

}  // namespace

bool has_blob_code(DType dtype) { return code_of(dtype).has_value(); }

uint64_t BlobWriter::add(std::shared_ptr<const Tensor> tensor) {
  const std::tuple key(static_cast<const void*>(tensor->data()), tensor->size(), tensor->dtype());
  const auto known = offsets_.find(key);
  if (known != offsets_.end()) return known->second;
  if (!has_blob_code(tensor->dtype())) {
    fail("weight file",
         fmt::format("there is no code for elements of type {}", name(tensor->dtype())));
  }
  const uint64_t offset = align(end_);
  end_ = offset + sizeof(Metadata) + tensor->bytes();
  offsets_.emplace(key, offset);
  blobs_.push_back({offset, std::move(tensor)});
  return offset;
}

void BlobWriter::write(const std::filesystem::path& path) const {
  FileWriter writer(path);
  Header header;
  header.count = static_cast<uint32_t>(blobs_.size());
  writer.write(&header, sizeof(header));
  uint64_t position = sizeof(header);
  for (const auto& [offset, tensor] : blobs_) {
    constexpr std::array<std::byte, kRecordAlignment> kZeros{};
    writer.write(kZeros.data(), offset - position);
    Metadata metadata;
    metadata.code = *code_of(tensor->dtype());
    metadata.bytes = tensor->bytes();
    metadata.data_offset = offset + sizeof(metadata);
    metadata.padding_bits = padding_bits(tensor->dtype(), tensor->size());
    writer.write(&metadata, sizeof(metadata));
    writer.write(tensor->data(), tensor->bytes());
    position = metadata.data_offset + metadata.bytes;
  }
  writer.commit();
}

BlobFile::BlobFile(const std::filesystem::path& path) : path_(path) {
  const auto mapped = std::make_shared<MappedFile>(path);
  data_ = {mapped, mapped->bytes().data()};
  size_ = mapped->bytes().size();
  read_header();
}

BlobFile::BlobFile(std::shared_ptr<const std::byte> data, size_t size, std::filesystem::path name)
    : path_(std::move(name)), data_(std::move(data)), size_(size) {
  read_header();
}

void BlobFile::read_header() {
  Header header;
  if (bytes() < sizeof(header)) {
    fail(path_.string(), fmt::format("{} bytes are too few for a weight file", bytes()));
  }
  std::memcpy(&header, data_.get(), sizeof(header));
  if (header.version != kVersion) {
    fail(path_.string(),
         fmt::format("it is no weight file of version 2: the version is {}", header.version),
         header.version == 1 ? "version 1 is another format; convert the model with a newer tool"
                             : "is it a weight.bin of Core ML?");
  }
  count_ = header.count;
}

std::vector<BlobFile::Blob> BlobFile::blobs() const {
  std::vector<Blob> result;
  uint64_t end = sizeof(Header);
  for (uint32_t i = 0; i < count_; ++i) {
    const Blob blob = blob_at(align(end));
    end = blob.data_offset + blob.bytes;
    // Always forwards, so that this ends however large the count is.
    if (end < blob.offset + sizeof(Metadata)) {
      fail(place(path(), blob.offset), "its data come before its metadata");
    }
    result.push_back(blob);
  }
  return result;
}

BlobFile::Blob BlobFile::blob_at(uint64_t offset) const {
  const std::string where = place(path(), offset);
  if (offset % kRecordAlignment != 0 || offset < sizeof(Header)) {
    fail(where, "metadata are at multiples of 64, from 64 on", "the first blob's offset is 64");
  }
  Metadata metadata;
  if (offset > bytes() || bytes() - offset < sizeof(metadata)) {
    fail(where, fmt::format("it is outside the {} bytes of the file", bytes()),
         "the file is truncated, or belongs to another program");
  }
  std::memcpy(&metadata, data_.get() + offset, sizeof(metadata));
  if (metadata.sentinel != kSentinel) {
    fail(where, "there are no metadata: the mark 0xDEADBEEF is missing",
         "BLOBFILE names the metadata, 64 bytes before the data");
  }
  const std::optional<DType> dtype = dtype_of_code(metadata.code);
  if (!dtype && metadata.code != kFp8Codes[0] && metadata.code != kFp8Codes[1]) {
    fail(where, fmt::format("unknown element type code {}", metadata.code));
  }
  if (metadata.data_offset % kRecordAlignment != 0 || metadata.data_offset < sizeof(Header)) {
    fail(where,
         fmt::format("its data are at {}, not at a multiple of 64 behind the header",
                     metadata.data_offset),
         "write the file again with a correct data offset");
  }
  if (metadata.data_offset > bytes() || metadata.bytes > bytes() - metadata.data_offset) {
    fail(where,
         fmt::format("its {} bytes at {} are outside the {} bytes of the file", metadata.bytes,
                     metadata.data_offset, bytes()),
         "the file is truncated or damaged");
  }
  return {offset, dtype, metadata.data_offset, metadata.bytes, metadata.padding_bits};
}

Tensor BlobFile::read(uint64_t offset, DType expected, const Shape& shape) const {
  const Blob blob = blob_at(offset);
  const std::string where = place(path(), offset);
  if (blob.dtype != expected) {
    fail(where, fmt::format("it holds {}, not {}", spelled(blob.dtype), name(expected)));
  }
  const std::optional<uint64_t> needed = checked_byte_size(expected, shape);
  if (needed != blob.bytes) {
    fail(where, fmt::format("it has {} bytes, which is not the size of {} {}", blob.bytes,
                            name(expected), to_string(shape)));
  }
  const bool packed = bits(expected) < 8;
  const uint64_t unused = padding_bits(expected, element_count(shape));
  if (packed && blob.padding_bits != unused) {
    fail(where,
         fmt::format("it leaves {} bits unused, {} would be right", blob.padding_bits, unused));
  }
  return Tensor(expected, shape, {data_, data_.get() + blob.data_offset});
}

}  // namespace anemone
