// Safetensors files: named tensors behind a JSON header.
// Format: https://github.com/huggingface/safetensors, "Format": uint64 header bytes
// (little-endian), JSON header, data. Nothing may overlap, be left over or be missing.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "anemone/base/file.h"
#include "anemone/tensor/tensor.h"

namespace anemone {

class SafetensorsFile {
 public:
  // Maps the file and checks the whole header: sizes, element types, bounds, overlaps, holes and
  // repeated names. Throws Error naming the file and the tensor.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::vector<std::string> names() const;  // sorted
  bool has(const std::string& name) const { return entries_.count(name) > 0; }

  // Type and shape of a tensor, which must be there; `data` is null.
  TensorView describe(const std::string& name) const;

  // The elements where they lie in the map: read only, although TensorView's pointer is not const,
  // and valid as long as this object. Throws Error when the file's layout leaves them unaligned for
  // their type (read() copes with that).
  TensorView view(const std::string& name) const;

  // Whether view() takes the tensor.
  bool is_aligned(const std::string& name) const;

  // A copy, converted to `as`; bit for bit when the type is the stored one.
  Tensor read(const std::string& name, DType as) const;
  Tensor read(const std::string& name) const { return read(name, describe(name).dtype); }

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Entry {
    DType dtype;
    Shape shape;
    size_t begin, end;  // bytes from the start of the file
  };

  const Entry& entry(const std::string& name) const;
  size_t read_header();
  void check_layout(size_t data_begin) const;

  MappedFile file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes all tensors in one piece: either the whole file is there afterwards, or the old one is.
// Wide element types come first, then by name, so that every tensor is aligned.
// Element types outside the format (sub-byte, string) and repeated names are errors.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, TensorView>>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace anemone
