// The families of operations, one file each. registry.cpp lists them.
#pragma once

#include <span>

#include "anemone/ops/op_def.h"

namespace anemone {

std::span<const OpDef> constant_ops();
std::span<const OpDef> control_ops();
std::span<const OpDef> elementwise_unary_ops();
std::span<const OpDef> elementwise_binary_ops();
std::span<const OpDef> composite_elementwise_ops();
std::span<const OpDef> composite_linear_ops();
std::span<const OpDef> composite_norm_ops();
std::span<const OpDef> composite_attention_ops();
std::span<const OpDef> composite_decode_attention_ops();
std::span<const OpDef> composite_loss_ops();
std::span<const OpDef> composite_classifier_ops();
std::span<const OpDef> shape_ops();
std::span<const OpDef> slicing_ops();
std::span<const OpDef> slice_update_ops();
std::span<const OpDef> joining_ops();
std::span<const OpDef> reduction_ops();
std::span<const OpDef> linear_ops();
std::span<const OpDef> attention_ops();
std::span<const OpDef> conv_ops();
std::span<const OpDef> pooling_ops();
std::span<const OpDef> normalization_ops();
std::span<const OpDef> activation_ops();
std::span<const OpDef> gather_ops();
std::span<const OpDef> scatter_ops();
std::span<const OpDef> sequence_ops();
std::span<const OpDef> quantization_ops();
std::span<const OpDef> palette_ops();
std::span<const OpDef> sorting_ops();
std::span<const OpDef> space_ops();
std::span<const OpDef> resizing_ops();
std::span<const OpDef> warping_ops();
std::span<const OpDef> crop_resize_ops();
std::span<const OpDef> sliding_ops();
std::span<const OpDef> recurrent_ops();
std::span<const OpDef> einsum_ops();
std::span<const OpDef> local_response_ops();
std::span<const OpDef> random_ops();
std::span<const OpDef> detection_ops();

}  // namespace anemone
