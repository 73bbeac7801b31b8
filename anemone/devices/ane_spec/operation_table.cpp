// The table of operations. Proven ones are from maderix/ANE, Orion, Espresso and ANEForge's models;
// the rest from ANEForge's sweep of the MIL vocabulary, each operation compiled alone.
#include <algorithm>
#include <iterator>

#include "anemone/devices/ane_spec/operation_table.h"

namespace anemone {
namespace {

using enum AneSupport;

constexpr AneOperation refused(std::string_view name, std::string_view instead) {
  return {name, kRefused, AneFamily::kH13, instead};
}
// Of its texture engine, as the compiler's tables say.
constexpr AneOperation since_m2(std::string_view name) {
  return {name, kProbed, AneFamily::kH14, "do it on the CPU, before or after the program"};
}
constexpr AneOperation since_m3(std::string_view name) {
  return {name, kProbed, AneFamily::kH15, "tables computed beforehand, as constants or inputs"};
}

constexpr std::string_view kHost = "do it on the CPU, before or after the program";

constexpr AneOperation kOperations[] = {
    {"abs"},
    refused("acos", kHost),
    {"add", kProven},
    since_m2("affine"),
    refused("argsort", "sort on the CPU, after the program"),
    refused("asin", kHost),
    {"atan"},
    refused("atanh", kHost),
    {"avg_pool"},
    refused("band_part", "multiply with a constant of zeros and ones"),
    {"batch_norm"},
    refused("batch_to_space", "reshape and transpose, at most four axes at a time"),
    {"cast", kProven},
    {"ceil"},
    {"clamped_relu"},
    refused("classify", "return the probabilities and pick on the CPU"),
    {"clip"},
    {"concat", kProven},
    {"const", kProven},
    {"constexpr_affine_dequantize"},
    refused("constexpr_blockwise_shift_scale",
            "constexpr_affine_dequantize with a scale for each output channel"),
    refused("constexpr_cast", "the fp16 constant as it is"),
    {"constexpr_lut_to_dense"},
    refused("constexpr_lut_to_sparse", "constexpr_lut_to_dense"),
    refused("constexpr_sparse_blockwise_shift_scale", "constexpr_sparse_to_dense"),
    {"constexpr_sparse_to_dense"},
    {"conv", kProven},
    {"conv_transpose"},
    since_m3("cos"),
    refused("cosh", "real_div(add(exp(x), exp(-x)), 2)"),
    refused("crop", "slice_by_size"),
    since_m2("crop_resize"),
    refused("cumsum", "matmul with a triangle of ones"),
    refused("depth_to_space", "reshape and transpose, at most four axes at a time"),
    {"dequantize"},
    refused("einsum", "transpose and matmul"),
    {"elu"},
    {"equal"},
    {"erf"},
    {"exp", kProven},
    {"exp2"},
    {"expand_dims"},
    {"fill"},
    refused("fill_like", "fill"),
    {"flatten2d"},
    {"floor"},
    {"floor_div"},
    refused("gather", "look rows up on the CPU and hand them in as an input"),
    refused("gather_along_axis", "look elements up on the CPU and hand them in as an input"),
    refused("gather_nd", "look elements up on the CPU and hand them in as an input"),
    {"gelu", kProven},
    {"greater"},
    {"greater_equal"},
    refused("gru", "its steps written out as conv, sigmoid and tanh"),
    {"identity", kProven},
    {"instance_norm"},
    {"inverse"},
    {"l2_norm"},
    {"l2_pool"},
    {"layer_norm", kProven},
    {"leaky_relu"},
    {"less"},
    {"less_equal"},
    {"linear", kProven},
    {"linear_activation"},
    refused("local_response_norm", "a convolution of the squares with ones, pow and mul"),
    {"log"},
    refused("logical_and", "minimum of masks of zeros and ones"),
    {"logical_not"},
    refused("logical_or", "maximum of masks of zeros and ones"),
    refused("logical_xor", "not_equal"),
    refused("lstm", "its steps written out as conv, sigmoid and tanh"),
    {"matmul", kProven},
    {"max_pool"},
    {"maximum"},
    {"minimum"},
    refused("mod", "sub(x, mul(y, floor_div(x, y)))"),
    {"mul", kProven},
    refused("non_maximum_suppression", kHost),
    refused("non_zero", kHost),
    {"not_equal"},
    refused("one_hot", "make it on the CPU and hand it in as an input"),
    {"pad"},
    refused("pixel_shuffle", "reshape and transpose, at most four axes at a time"),
    refused("pixel_unshuffle", "reshape and transpose, at most four axes at a time"),
    {"pow", kProven},
    {"prelu"},
    {"quantize"},
    refused("random_bernoulli", "draw on the CPU and hand the numbers in as an input"),
    refused("random_categorical", "return the scores and draw on the CPU"),
    refused("random_normal", "draw on the CPU and hand the numbers in as an input"),
    refused("random_uniform", "draw on the CPU and hand the numbers in as an input"),
    {"range_1d"},
    {"real_div"},
    refused("reduce_argmax", "return the scores and pick on the CPU"),
    refused("reduce_argmin", "return the scores and pick on the CPU"),
    {"reduce_l1_norm"},
    {"reduce_l2_norm"},
    {"reduce_log_sum"},
    {"reduce_log_sum_exp"},
    {"reduce_max", kProven},
    {"reduce_mean"},
    {"reduce_min"},
    refused("reduce_prod", "exp(reduce_sum(log(x))) for positive x"),
    {"reduce_sum", kProven},
    {"reduce_sum_square"},
    {"relu", kProven},
    {"relu6"},
    since_m2("resample"),
    {"reshape", kProven},
    refused("reshape_like", "reshape with the sizes as a constant"),
    since_m2("resize"),
    since_m2("resize_bilinear"),
    since_m2("resize_nearest_neighbor"),
    {"reverse"},
    refused("reverse_sequence", kHost),
    refused("rnn", "its steps written out as conv and tanh"),
    {"round"},
    {"rsqrt"},
    {"scaled_dot_product_attention", kProven},
    {"scaled_tanh"},
    refused("scatter", "scatter on the CPU, after the program"),
    refused("scatter_along_axis", "scatter on the CPU, after the program"),
    refused("scatter_nd", "scatter on the CPU, after the program"),
    {"select"},
    refused("shape", "shapes are known beforehand: a constant"),
    {"sigmoid", kProven},
    {"sigmoid_hard"},
    {"sign"},
    {"silu"},
    since_m3("sin"),
    refused("sinh", "real_div(sub(exp(x), exp(-x)), 2)"),
    {"slice_by_index", kProven},
    {"slice_by_size", kProven},
    refused("slice_update", "write into the buffer on the CPU, or concat of slices"),
    refused("sliding_windows", "concat of slices"),
    {"softmax", kProven},
    {"softplus"},
    {"softplus_parametric"},
    {"softsign"},
    refused("space_to_batch", "reshape and transpose, at most four axes at a time"),
    refused("space_to_depth", "reshape and transpose, at most four axes at a time"),
    {"split"},
    {"sqrt"},
    {"square"},
    {"squeeze"},
    {"stack"},
    {"sub", kProven},
    refused("tan", "real_div(sin(x), cos(x))"),
    {"tanh", kProven},
    {"threshold"},
    {"thresholded_relu"},
    {"tile"},
    refused("topk", "return the scores and pick on the CPU"),
    {"transpose", kProven},
    refused("upsample_bilinear", "resize_bilinear from the M2 on, or a conv_transpose"),
    refused("upsample_nearest_neighbor",
            "resize_nearest_neighbor from the M2 on, or a conv_transpose"),
};

}  // namespace

std::span<const AneOperation> ane_operations() { return kOperations; }

const AneOperation* find_ane_operation(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kOperations), std::end(kOperations), name,
      [](const AneOperation& row, std::string_view wanted) { return row.name < wanted; });
  return found != std::end(kOperations) && found->name == name ? found : nullptr;
}

}  // namespace anemone
