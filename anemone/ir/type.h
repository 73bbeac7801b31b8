// MIL types: tensors of every rank (a scalar has rank 0), and lists, tuples, dictionaries, states.
#pragma once

#include <string>
#include <vector>

#include "anemone/tensor/tensor.h"

namespace anemone {

struct Type {
  enum class Kind : uint8_t { kTensor, kList, kTuple, kDict, kState };

  Kind kind = Kind::kTensor;
  DType dtype = DType::kFp32;     // kTensor
  Shape shape;                    // kTensor; kUnknownSize for "?"
  std::vector<Type> parts;        // element, members, key and value, wrapped tensor
  int64_t length = kUnknownSize;  // kList

  static Type tensor(DType dtype, Shape shape = {}) {
    return {Kind::kTensor, dtype, std::move(shape), {}};
  }

  bool is_tensor() const { return kind == Kind::kTensor; }
  bool is_scalar() const { return is_tensor() && shape.empty(); }
  size_t rank() const { return shape.size(); }
  // Bytes of a static tensor.
  size_t bytes() const { return byte_size(dtype, element_count(shape)); }

  friend bool operator==(const Type&, const Type&) = default;
};

// As MIL text of dialect A spells it: "tensor<fp16, [1, 64]>", "int32".
std::string to_string(const Type& type);

}  // namespace anemone
