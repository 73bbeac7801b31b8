// Which values of a function are kept as bf16 though they are fp32: those that nothing but products
// reads, which round them anyway. The kernel that makes them rounds them, and products pack half as
// much.
#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "anemone/devices/cpu/kernel.h"

namespace anemone {

using Kernels = std::unordered_map<const Operation*, std::unique_ptr<Kernel>>;

struct NarrowStorage {
  std::unordered_set<Value> values;
  std::unordered_set<const Operation*> casts;  // between one of them and a bf16 value: no work

  DType dtype(Value value) const {
    return values.contains(value) ? DType::kBf16 : value->type.dtype;
  }
  size_t bytes(Value value) const;
  // Whether the result of the operation is its operand under another name.
  bool is_free(const Operation& op) const;
};

// For a device that rounds the operands of products to bf16. A value is kept so together with its
// views and with what is cast from and to it, or not at all.
NarrowStorage find_narrow_storage(const Function& function, const Kernels& kernels);

}  // namespace anemone
