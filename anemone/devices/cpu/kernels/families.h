// The fast kernels by family, one file each. A factory gets an operation that has been verified and
// returns null for shapes and element types it has nothing for.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/ops/op_args.h"

namespace anemone {

using KernelFactory = std::unique_ptr<Kernel> (*)(const OpArgs& args);
using KernelFamily = std::map<std::string_view, KernelFactory>;

KernelFamily elementwise_kernels();
KernelFamily linear_kernels();
KernelFamily narrow_linear_kernels();
KernelFamily norm_kernels();
KernelFamily attention_kernels();
KernelFamily decode_attention_kernels();
KernelFamily loss_kernels();
KernelFamily movement_kernels();
KernelFamily quantization_kernels();
KernelFamily map_kernels();
KernelFamily pooling_kernels();
KernelFamily reduction_kernels();
KernelFamily normalization_kernels();
KernelFamily copy_kernels();
KernelFamily logic_kernels();
KernelFamily resizing_kernels();
KernelFamily recurrent_kernels();
KernelFamily sampling_kernels();
// All of them.
const KernelFamily& all_kernels();

// From bool to fp32.
std::unique_ptr<Kernel> cast_of_bool();

// Of conv and conv_transpose with any window.
std::unique_ptr<Kernel> window_conv(const OpArgs& args);
std::unique_ptr<Kernel> window_conv_transpose(const OpArgs& args);
// Whether they have a kernel for it, and one that adds a further operand.
bool is_window_conv(const OpArgs& args);
bool takes_addend(const OpArgs& args);
// Whether a conv or conv_transpose is one product of fp32 matrices, W · x: pointwise, one image, no
// bias.
bool is_matrix_product(const OpArgs& args);

// Whether all float operands and results are fp32, which the fast kernels are written for.
bool all_fp32(const OpArgs& args);
// The position of an argument's operand among all operands.
std::optional<size_t> position_of(const Operation& op, std::string_view name);

}  // namespace anemone
