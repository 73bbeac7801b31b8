// Memory of a simulated device: a surface with a capacity, packed from its first byte.
#pragma once

#include "anemone/devices/device.h"

namespace anemone {

class SimBuffer final : public Buffer {
 public:
  // Without `values` there is no memory behind it.
  SimBuffer(const Type& type, size_t capacity, bool values)
      : type_(type), capacity_(capacity), values_(values) {
    if (values) tensor_ = Tensor(type.dtype, type.shape);
  }
  const Type& type() const override { return type_; }
  size_t capacity() const override { return capacity_; }
  void write(const TensorView& from) override {
    if (!values_) return;
    ANEMONE_CHECK(from.size() == tensor_.size());
    convert(from, tensor_);
    ++version_;
  }
  void read(const TensorView& to) const override {
    if (!values_) return;
    ANEMONE_CHECK(to.size() == tensor_.size());
    convert(tensor_, to);
  }
  // Whoever writes through it does so before the next run.
  TensorView map() override {
    ++version_;
    if (!values_) return {type_.dtype, type_.shape, nullptr};
    return tensor_;
  }

  const Tensor& tensor() const { return tensor_; }
  // Grows with every change: what was made from the contents before is stale.
  int64_t version() const { return version_; }
  void changed() { ++version_; }

 private:
  Type type_;
  size_t capacity_;
  bool values_;
  Tensor tensor_;
  int64_t version_ = 0;
};

}  // namespace anemone
