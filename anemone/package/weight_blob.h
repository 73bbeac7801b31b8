// Weight files: MILBlob storage version 2, as Core ML writes and reads it.
// Source: coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp (BSD-3); docs/mil.md has the
// layout. Little-endian.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "anemone/base/file.h"
#include "anemone/tensor/tensor.h"

namespace anemone {

// Whether weight files have a code for the type: all but bool, string, fp64, int64 and uint64.
bool has_blob_code(DType dtype);

// Collects tensors and writes them as one file.
class BlobWriter {
 public:
  // Keeps the tensor until the file is written. Returns the offset of its metadata in bytes, the
  // one that BLOBFILE names; the same memory is stored once, whatever its shapes.
  // Throws Error(kInvalidInput) where has_blob_code() does not hold.
  uint64_t add(std::shared_ptr<const Tensor> tensor);
  size_t size() const { return blobs_.size(); }

  // As FileWriter: `path` gets the whole file or keeps its old content.
  void write(const std::filesystem::path& path) const;

 private:
  struct Blob {
    uint64_t offset;
    std::shared_ptr<const Tensor> tensor;
  };
  std::vector<Blob> blobs_;
  std::map<std::tuple<const void*, int64_t, DType>, uint64_t> offsets_;  // of memory that is held
  uint64_t end_ = 64;  // of the last blob's data, or of the header
};

// A weight file, mapped or in memory. Everything in it is checked before it is used; what is
// refused throws Error(kInvalidInput) with where() = "PATH" or "PATH, offset N".
class BlobFile {
 public:
  // Refuses files that do not begin with a header of version 2.
  explicit BlobFile(const std::filesystem::path& path);
  // The content of a file that is called `name` in messages.
  BlobFile(std::shared_ptr<const std::byte> data, size_t size, std::filesystem::path name);

  struct Blob {
    uint64_t offset = 0;         // of the metadata
    std::optional<DType> dtype;  // absent for fp8, which has no DType
    uint64_t data_offset = 0, bytes = 0;
    uint64_t padding_bits = 0;  // unused bits at the end, for elements smaller than a byte
  };
  // As many as the header counts, which in files from careless writers is too few; `read` does not
  // depend on it.
  std::vector<Blob> blobs() const;

  // The blob whose metadata is at `offset`, which must have this type and size. The tensor's
  // elements are the file's: nothing is copied, and the map lives as long as the tensor.
  Tensor read(uint64_t offset, DType expected, const Shape& shape) const;

  const std::filesystem::path& path() const { return path_; }
  uint64_t bytes() const { return size_; }

 private:
  Blob blob_at(uint64_t offset) const;

  void read_header();

  std::filesystem::path path_;
  std::shared_ptr<const std::byte> data_;
  uint64_t size_ = 0;
  uint32_t count_ = 0;
};

}  // namespace anemone
