#include "anemone/devices/ane_spec/cost_layer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "anemone/ops/registry.h"

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
bool reads_as_much_as_it_writes(std::string_view type) {
  return type == "slice_by_index" || type == "slice_by_size" || type == "gather" ||
         type == "gather_along_axis" || type == "tile" || type == "fill";
}

double bytes_of(const Type& type) {
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

double output_bytes(const Operation& op) {
  double bytes = 0;
  for (Value output : op.outputs) bytes += bytes_of(output->type);
  return bytes;
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
  return args.op().type == "conv" && is_winograd(args) ? kWinograd : kOtherKernels;
}

bool is_product(std::string_view type) {
  return type == "conv" || type == "conv_transpose" || type == "linear" || type == "matmul";
}

bool has_aliased_channels(const Operation& op, const Shape& weight) {
  const size_t first = op.type == "matmul" ? weight.size() - 2 : 0;
  return weight.size() >= 2 && is_power_of_two(weight[first]) &&
         is_power_of_two(weight[first + 1]) &&
         std::min(weight[first], weight[first + 1]) >= kAliasedChannels;
}

Layer describe_product(const Operation& op, const std::function<bool(Value)>& is_weight) {
  const OpArgs args(op);
  const bool matmul = op.type == "matmul", convolution = op.type.starts_with("conv");
  Layer layer;
  if (convolution) layer.efficiency = kernel_efficiency(args);
  layer.activation_bytes = output_bytes(op);
  layer.smaller_operand_bytes = std::numeric_limits<double>::max();
  for (const char* name : {"x", matmul ? "y" : "weight"}) {
    const Operand& operand = args.operand(name);
    const Type& type = operand.type();
    layer.smaller_operand_bytes =
        std::min(layer.smaller_operand_bytes, matmul ? matrix_bytes(type) : bytes_of(type));
    if (operand.value && !is_weight(operand.value)) {
      layer.activation_bytes += bytes_of(type);
    } else {
      layer.weight_bytes += bytes_of(type);
      layer.aliased = has_aliased_channels(op, type.shape);
    }
  }
  return layer;
}

}  // namespace

bool is_free(const Operation& op) {
  return op.type == "const" || op.type == "shape" || op.type == "flatten2d" || is_view(op);
}

Layer describe_layer(const Operation& op, const std::function<bool(Value)>& is_weight) {
  const Cost cost = cost_of(op);
  Layer layer;
  if (is_product(op.type)) {
    layer = describe_product(op, is_weight);
  } else if (reads_as_much_as_it_writes(op.type)) {
    layer.activation_bytes = 2 * cost.bytes_written;
  } else {
    layer.activation_bytes = passes(op.type) * (cost.bytes_read + cost.bytes_written);
  }
  layer.flops = cost.flops;
  return layer;
}

bool streams(const Layer& layer, const EngineFigures& engine) {
  return layer.weight_bytes > engine.resident_mb.value * 1e6;
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
  const double compute_us =
      layer.flops / (engine.peak_tflops.value * 1e6 * layer.efficiency * fits);
  const double weights_us = streams(layer, engine)
                                ? layer.weight_bytes * slowdown / (engine.stream_gbs.value * 1e3)
                                : layer.weight_bytes / (engine.chain_gbs.value * 1e3);
  const double activations_us = layer.activation_bytes / (engine.onchip_gbs.value * 1e3);
  OpTime time{&op,         engine.layer_us.value, Bound::kOverhead,
              layer.flops, layer.weight_bytes,    layer.activation_bytes};
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
