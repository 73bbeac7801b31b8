#include "anemone/devices/cpu/kernel.h"

#include <map>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/registry.h"

namespace anemone {

const KernelFamily& all_kernels() {
  static const KernelFamily all = [] {
    KernelFamily result;
    for (const KernelFamily& family :
         {elementwise_kernels(), linear_kernels(), narrow_linear_kernels(), norm_kernels(),
          attention_kernels(), decode_attention_kernels(), loss_kernels(), movement_kernels(),
          quantization_kernels(), map_kernels(), pooling_kernels(), reduction_kernels(),
          normalization_kernels(), copy_kernels(), logic_kernels(), resizing_kernels(),
          recurrent_kernels(), sampling_kernels()}) {
      result.insert(family.begin(), family.end());
    }
    return result;
  }();
  return all;
}

std::unique_ptr<Kernel> make_fast_kernel(const Operation& op) {
  const auto factory = all_kernels().find(op.type);
  if (factory == all_kernels().end()) return nullptr;
  for (Value output : op.outputs) {
    if (!is_static(output->type.shape) || element_count(output->type.shape) == 0) return nullptr;
  }
  return factory->second(OpArgs(op));
}

std::unique_ptr<Kernel> make_kernel(const Operation& op) {
  if (auto fast = make_fast_kernel(op)) return fast;
  // The operation outlives the kernel: both belong to the executable.
  return kernel_of([&op](const KernelRun& args) { evaluate_op(op, args.in, args.out); });
}

}  // namespace anemone
