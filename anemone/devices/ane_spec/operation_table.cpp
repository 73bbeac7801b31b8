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
constexpr AneOperation since_m3(std::string_view name) {
  return {name, kProbed, AneFamily::kH15, "tables computed beforehand, as constants or inputs"};
}

constexpr std::string_view kHost = "do it on the CPU, before or after the program";

constexpr AneOperation kOperations[] = {
    {"abs"},
    refused("acos", kHost),
    {"add", kProven},
    refused("asin", kHost),
    {"atan"},
    refused("atanh", kHost),
    {"avg_pool"},
    refused("band_part", "multiply with a constant of zeros and ones"),
    {"batch_norm"},
    {"cast", kProven},
    {"ceil"},
    {"clamped_relu"},
    {"clip"},
    {"concat", kProven},
    refused("cond", "compute both branches and select"),
    {"const", kProven},
    {"constexpr_affine_dequantize"},
    {"conv", kProven},
    {"conv_transpose"},
    since_m3("cos"),
    refused("cosh", "real_div(add(exp(x), exp(-x)), 2)"),
    refused("cumsum", "matmul with a triangle of ones"),
    {"dequantize"},
    {"elu"},
    {"equal"},
    {"erf"},
    {"exp", kProven},
    {"exp2"},
    {"expand_dims"},
    {"fill"},
    {"flatten2d"},
    {"floor"},
    {"floor_div"},
    refused("gather", "look rows up on the CPU and hand them in as an input"),
    refused("gather_along_axis", "look elements up on the CPU and hand them in as an input"),
    {"gelu", kProven},
    {"greater"},
    {"greater_equal"},
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
    {"log"},
    refused("logical_and", "minimum of masks of zeros and ones"),
    {"logical_not"},
    refused("logical_or", "maximum of masks of zeros and ones"),
    refused("logical_xor", "not_equal"),
    {"matmul", kProven},
    {"max_pool"},
    {"maximum"},
    {"minimum"},
    refused("mod", "sub(x, mul(y, floor_div(x, y)))"),
    {"mul", kProven},
    {"not_equal"},
    refused("one_hot", "make it on the CPU and hand it in as an input"),
    {"pad"},
    {"pow", kProven},
    {"prelu"},
    {"quantize"},
    {"range_1d"},
    refused("read_state", "hand states in and out as ports: convert --decode does"),
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
    {"reshape", kProven},
    {"reverse"},
    {"round"},
    {"rsqrt"},
    {"scaled_dot_product_attention", kProven},
    {"scaled_tanh"},
    refused("scatter", "scatter on the CPU, after the program"),
    refused("scatter_along_axis", "scatter on the CPU, after the program"),
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
    {"softmax", kProven},
    {"softplus"},
    {"softplus_parametric"},
    {"softsign"},
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
    {"transpose", kProven},
    refused("while_loop", "unroll it, or loop on the CPU around the program"),
    refused("write_state", "hand states in and out as ports: convert --decode does"),
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
