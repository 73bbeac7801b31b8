// Memory of a simulated device: a surface with a capacity, packed from its first byte.
#pragma once

#include <atomic>
#include <memory>

#include "anemone/devices/device.h"

namespace anemone {

// What the programs and buffers of one device count together. It outlives the device.
struct SimCounts {
  int loaded = 0;                    // programs that exist
  std::atomic<int64_t> contents{0};  // contents that its buffers have had
};

class SimBuffer final : public Buffer {
 public:
  // Without `values` there is no memory behind it.
  SimBuffer(const Type& type, size_t capacity, bool values, std::shared_ptr<SimCounts> counts)
      : type_(type), capacity_(capacity), values_(values), counts_(std::move(counts)) {
    if (values) tensor_ = Tensor(type.dtype, type.shape);
    changed();
  }
  const Type& type() const override { return type_; }
  size_t capacity() const override { return capacity_; }
  void write(const TensorView& from) override {
    if (!values_) return;
    ANEMONE_CHECK(from.size() == tensor_.size());
    convert(from, tensor_);
    changed();
  }
  void read(const TensorView& to) const override {
    if (!values_) return;
    ANEMONE_CHECK(to.size() == tensor_.size());
    convert(tensor_, to);
  }
  TensorView map() override {
    if (!values_) return {type_.dtype, type_.shape, nullptr};
    mapped_ = true;
    return tensor_;
  }

  const Tensor& tensor() const { return tensor_; }
  // A number for the contents that no others of the device's buffers have, destroyed ones too: what
  // was made from the contents with the same number is not stale. Whoever has mapped the memory may
  // write whenever he likes: then the number is always a new one.
  int64_t contents() {
    if (mapped_) changed();
    return contents_;
  }
  bool is_of(const SimCounts& device) const { return counts_.get() == &device; }

 private:
  void changed() { contents_ = ++counts_->contents; }

  Type type_;
  size_t capacity_;
  bool values_;
  std::shared_ptr<SimCounts> counts_;
  Tensor tensor_;
  bool mapped_ = false;
  int64_t contents_ = 0;
};

}  // namespace anemone
