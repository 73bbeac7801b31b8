// Values written in a program: numbers, strings, collections, and references into weight files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anemone/ir/type.h"

namespace anemone {

// BLOBFILE(path, offset): `offset` is that of the blob's metadata record.
struct BlobRef {
  std::string path;
  uint64_t offset = 0;

  friend bool operator==(const BlobRef&, const BlobRef&) = default;
};

// A typed value. Numbers are in `tensor` (absent while `blob` is not loaded), strings in `strings`,
// members of a list, tuple or dictionary (key, value, key, value, …) in `items`.
struct Literal {
  Type type;
  std::shared_ptr<const Tensor> tensor;
  std::vector<std::string> strings;
  std::vector<Literal> items;
  std::optional<BlobRef> blob;

  static Literal of(Tensor tensor);
  static Literal of(std::string text);
  template <typename T>
  static Literal scalar(T value) {
    return of(Tensor::of<T>({}, {value}));
  }

  // Bit for bit the same, whether or not a blob is loaded.
  friend bool operator==(const Literal& a, const Literal& b);
};

}  // namespace anemone
