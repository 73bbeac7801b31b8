// Memory of the CPU device. Zeros can be put off until somebody reads it.
#pragma once

#include <cstring>
#include <utility>

#include "anemone/devices/device.h"

namespace anemone {

class CpuBuffer final : public Buffer {
 public:
  explicit CpuBuffer(const Type& type) : CpuBuffer(Tensor(type.dtype, type.shape)) {}
  explicit CpuBuffer(Tensor tensor)
      : type_(Type::tensor(tensor.dtype(), tensor.shape())),
        tensor_(std::move(tensor)),
        view_(tensor_) {}
  const Type& type() const override { return type_; }
  void write(const TensorView& from) override {
    ANEMONE_CHECK(from.size() == tensor_.size());
    cleared_ = false;
    convert(from, view_);
  }
  void read(const TensorView& to) const override {
    ANEMONE_CHECK(to.size() == tensor_.size());
    if (cleared_) {
      std::memset(to.data, 0, byte_size(to.dtype, to.size()));
    } else {
      convert(view_, to);
    }
  }
  TensorView map() override {
    settle();
    return view_;
  }
  void* host_data() override {
    settle();
    return tensor_.data();
  }
  void clear() override { cleared_ = true; }

  // Writes zeros that have been put off.
  void settle() {
    if (take_cleared()) std::memset(tensor_.data(), 0, tensor_.bytes());
  }
  // Whether the elements count as 0 though the memory holds something else; from now on it counts.
  bool take_cleared() { return std::exchange(cleared_, false); }

 private:
  Type type_;
  Tensor tensor_;
  TensorView view_;  // of it: making one asks for memory
  bool cleared_ = false;
};

}  // namespace anemone
