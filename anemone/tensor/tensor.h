// Host tensors: `Tensor` owns its memory, `TensorView` looks at somebody's.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "anemone/base/error.h"
#include "anemone/tensor/dtype.h"
#include "anemone/tensor/shape.h"

namespace anemone {

// Dense row-major elements at `data`.
struct TensorView {
  DType dtype = DType::kFp32;
  Shape shape;
  void* data = nullptr;

  int64_t size() const { return element_count(shape); }
  size_t bytes() const { return byte_size(dtype, size()); }

  // The elements as T, which must be the C++ type of `dtype`.
  template <typename T>
  std::span<T> as() const {
    ANEMONE_CHECK(dtype_of<std::remove_const_t<T>>() == dtype);
    return {static_cast<T*>(data), static_cast<size_t>(size())};
  }

  // Element `index` as a number, for code that is not hot. Strings and sub-byte types are errors.
  double at(int64_t index) const;
  void set(int64_t index, double value) const;
};

// Memory starts at a multiple of 64 bytes: a cache line, and what GEMM kernels like.
inline constexpr size_t kAlignment = 64;

class AlignedBytes {
 public:
  AlignedBytes() = default;
  // Zeroed.
  explicit AlignedBytes(size_t size);

  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    size_t mapped;  // bytes from the system; 0 where it is the heap's
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  // Zeros.
  Tensor(DType dtype, Shape shape);
  // Elements that lie in memory of another owner, which lives as long as the tensor: a mapped
  // file. They must not be written to; `data` is aligned for its elements.
  Tensor(DType dtype, Shape shape, std::shared_ptr<const std::byte> data);

  template <typename T>
  static Tensor of(Shape shape, const std::vector<T>& values) {
    Tensor tensor(dtype_of<T>(), std::move(shape));
    ANEMONE_CHECK(values.size() == static_cast<size_t>(tensor.size()));
    for (size_t i = 0; i < values.size(); ++i) tensor.as<T>()[i] = values[i];
    return tensor;
  }

  Tensor clone() const;
  // The same numbers in another element type.
  Tensor cast(DType dtype) const;

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return element_count(shape_); }
  size_t bytes() const { return byte_size(dtype_, size()); }
  void* data() const { return borrowed_ ? const_cast<std::byte*>(borrowed_.get()) : bytes_.data(); }
  TensorView view() const { return {dtype_, shape_, data()}; }
  operator TensorView() const { return view(); }  // NOLINT: looking is always fine

  template <typename T>
  std::span<T> as() const {
    return view().as<T>();
  }
  double at(int64_t index) const { return view().at(index); }

  // Gives the same elements another shape with as many of them.
  void reshape(Shape shape);

 private:
  DType dtype_ = DType::kFp32;
  Shape shape_ = {0};
  AlignedBytes bytes_;
  std::shared_ptr<const std::byte> borrowed_;
};

// Converts between the byte-sized element types, rounding to nearest even towards narrower floats;
// from float to integer as wrap_to() of base/arithmetic.h. Sizes must agree.
void convert(const TensorView& from, const TensorView& to);

}  // namespace anemone
