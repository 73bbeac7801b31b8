#include "anemone/devices/ane_spec/cost_layer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "anemone/ops/query.h"

namespace anemone {
namespace {

// Efficiencies of convolutions wider than 1x1: fitted on an M5 Pro, carried to every chip.
constexpr double kWinograd = 1.45;  // 3x3 with stride 1 and many channels
constexpr double kOtherKernels = 0.9;
constexpr int64_t kWinogradChannels = 256;

constexpr int64_t kAliasedChannels = 4096;

// How often an operation goes over its operands and result, where that is not once.
double passes(std::string_view type) {
  static const std::unordered_map<std::string_view, double> kPasses = {
      {"gelu", 2}, {"softmax", 3}, {"l2_norm", 3}, {"instance_norm", 3}, {"layer_norm", 25},
  };
  const auto found = kPasses.find(type);
  return found == kPasses.end() ? 1 : found->second;
}

// Operations that read only what they write of their first operand.
bool reads_as_much_as_it_writes(const Operation& op) {
  static const std::unordered_set<std::string_view> kPicking = {"gather", "gather_along_axis",
                                                                "tile"};
  return has_trait(op, Trait::kSlice | Trait::kFill) || kPicking.contains(op.type);
}

double bytes_of(const Type& type) {
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

bool is_power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

// Bytes of one matrix of a stack: the last two axes.
double matrix_bytes(const Type& type) {
  const size_t rank = type.rank();
  double elements = 1;
  for (size_t i = rank < 2 ? 0 : rank - 2; i < rank; ++i) {
    elements *= static_cast<double>(type.shape[i]);
  }
  return elements * bytes_of(type) / static_cast<double>(element_count(type.shape));
}

bool is_winograd(const OpArgs& args) {
  const Shape& weight = args.shape("weight");
  const std::vector<int64_t> ones(weight.size() - 2, 1);
  return weight.size() == 4 && weight[2] == 3 && weight[3] == 3 && weight[1] >= kWinogradChannels &&
         args.integers("strides", ones) == ones && args.integers("dilations", ones) == ones;
}

double kernel_efficiency(const OpArgs& args) {
  const Shape& weight = args.shape("weight");
  const bool pointwise =
      std::all_of(weight.begin() + 2, weight.end(), [](int64_t size) { return size == 1; });
  if (pointwise) return 1;
  return !is_conv_transpose(args.op()) && is_winograd(args) ? kWinograd : kOtherKernels;
}

bool has_aliased_channels(const Operation& op, const Shape& weight) {
  const size_t first = op.find("weight") ? 0 : weight.size() - 2;
  return weight.size() >= 2 && is_power_of_two(weight[first]) &&
         is_power_of_two(weight[first + 1]) &&
         std::min(weight[first], weight[first + 1]) >= kAliasedChannels;
}

Layer describe_product(const Operation& op, const CostValues& values) {
  const OpArgs args(op);
  const bool matmul = !args.has("weight"), convolution = is_convolution(op);
  Layer layer;
  if (convolution) layer.efficiency = kernel_efficiency(args);
  layer.activation_bytes = values.activation_bytes(op.outputs[0]);
  layer.int8 = true;
  layer.smaller_operand_bytes = std::numeric_limits<double>::max();
  for (const char* name : {"x", matmul ? "y" : "weight"}) {
    const Operand& operand = args.operand(name);
    const Type& type = operand.type();
    layer.smaller_operand_bytes =
        std::min(layer.smaller_operand_bytes, matmul ? matrix_bytes(type) : bytes_of(type));
    layer.int8 = layer.int8 && operand.value && values.is_int8_operand(operand.value);
    if (operand.value && !values.is_weight(operand.value)) {
      layer.activation_bytes += values.activation_bytes(operand.value);
    } else {
      layer.weight_bytes += bytes_of(type);
      layer.packed = operand.value && values.is_packed_weight(operand.value);
      layer.aliased = has_aliased_channels(op, type.shape);
    }
  }
  return layer;
}

}  // namespace

Layer describe_layer(const Operation& op, const CostValues& values) {
  const Cost cost = cost_of(op);
  Layer layer;
  if (is_product(op)) {
    layer = describe_product(op, values);
  } else if (reads_as_much_as_it_writes(op)) {
    layer.activation_bytes = 2 * cost.bytes_written;
  } else {
    layer.activation_bytes = passes(op.type) * (cost.bytes_read + cost.bytes_written);
  }
  layer.flops = cost.flops;
  return layer;
}

double fetched_bytes(const Layer& layer, const EngineFigures& engine) {
  return layer.packed ? layer.weight_bytes / engine.int8_weight_gain.value : layer.weight_bytes;
}

bool streams(const Layer& layer, const EngineFigures& engine) {
  return fetched_bytes(layer, engine) > engine.resident_mb.value * 1e6;
}

double staircase(double smaller_operand_bytes, double working_set_bytes) {
  struct Step {
    double ratio, efficiency;
  };
  constexpr Step kSteps[] = {{1, 1}, {4, 0.5}, {9, 0.22}};
  const double ratio = smaller_operand_bytes / working_set_bytes;
  if (ratio <= kSteps[0].ratio) return kSteps[0].efficiency;
  for (size_t i = 1; i < std::size(kSteps); ++i) {
    const Step &low = kSteps[i - 1], &high = kSteps[i];
    if (ratio > high.ratio) continue;
    const double part = std::log2(ratio / low.ratio) / std::log2(high.ratio / low.ratio);
    return low.efficiency + part * (high.efficiency - low.efficiency);
  }
  return std::rbegin(kSteps)->efficiency;
}

OpTime time_layer(const Operation& op, const Layer& layer, const EngineFigures& engine) {
  const double fits = staircase(layer.smaller_operand_bytes, engine.working_set_mb.value * 1e6);
  const double slowdown = layer.aliased ? engine.alias_factor.value : 1;
  const double gain = layer.int8 ? engine.int8_arithmetic_gain.value : 1;
  const double compute_us =
      layer.flops / (engine.peak_tflops.value * 1e6 * layer.efficiency * fits * gain);
  const double fetched = fetched_bytes(layer, engine);
  const double weights_us = streams(layer, engine)
                                ? fetched * slowdown / (engine.stream_gbs.value * 1e3)
                                : fetched / (engine.chain_gbs.value * 1e3);
  const double activations_us = layer.activation_bytes / (engine.onchip_gbs.value * 1e3);
  OpTime time{&op,     engine.layer_us.value, Bound::kOverhead, layer.flops,
              fetched, layer.activation_bytes};
  const double work_us = std::max({compute_us, weights_us, activations_us});
  if (work_us > engine.layer_us.value) {
    time.bound = work_us == compute_us   ? Bound::kCompute
                 : work_us == weights_us ? Bound::kWeights
                                         : Bound::kActivations;
  }
  time.us += work_us;
  return time;
}

}  // namespace anemone
