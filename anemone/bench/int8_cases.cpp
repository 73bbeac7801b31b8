#include "anemone/bench/int8_cases.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "anemone/report/result.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

constexpr Chain kChains[] = {{128, 512}, {64, 256}, {1, 4608}};
constexpr Chain kWide[] = {{128, 512, 1024}, {64, 256, 1024}, {128, 512, 4096}};

constexpr Int8Variant kVariants[] = {Int8Variant::kPlain, Int8Variant::kWeights,
                                     Int8Variant::kWeightsAndActivations};

// What activations are clamped to, in root mean squares.
constexpr double kClampRms = 4;

std::string name_of(Int8Variant variant, DType dtype) {
  if (variant == Int8Variant::kPlain) return std::string(name(dtype));
  return variant == Int8Variant::kWeights ? "w8" : "w8a8";
}

struct PackedWeight {
  Literal numbers;
  std::shared_ptr<const Tensor> scales;  // fp32, of numbers that fp16 can hold
};

// The largest of each row becomes 127.
PackedWeight pack(const Tensor& weight) {
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  Tensor scales(DType::kFp32, {rows}), numbers(DType::kInt8, weight.shape());
  for (int64_t row = 0; row < rows; ++row) {
    const auto from = weight.as<float>().subspan(static_cast<size_t>(row * columns),
                                                 static_cast<size_t>(columns));
    float largest = 0;
    for (const float x : from) largest = std::max(largest, std::abs(x));
    const float scale = to_float(to_half(largest / 127));
    scales.as<float>()[static_cast<size_t>(row)] = scale;
    for (int64_t i = 0; i < columns; ++i) {
      const float steps = std::nearbyint(from[static_cast<size_t>(i)] / scale);
      numbers.view().set(row * columns + i, std::clamp(steps, -127.0f, 127.0f));
    }
  }
  return {Literal::of(std::move(numbers)), std::make_shared<const Tensor>(std::move(scales))};
}

// The same without numbers.
PackedWeight outline_of(const Tensor& weight) {
  Literal numbers;
  numbers.type = Type::tensor(DType::kInt8, weight.shape());
  return {std::move(numbers),
          std::make_shared<const Tensor>(DType::kFp32, Shape{weight.shape()[0]})};
}

double dot(std::span<const float> row, const std::vector<double>& x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += row[i] * x[i];
  return sum;
}

// Of what goes into each layer, from the first position of the input: chains drift, and a scale for
// all layers would leave some of them a few steps only.
std::vector<double> activation_scales(const Problem& problem) {
  const Tensor& input = problem.inputs[0];
  const auto channels = static_cast<size_t>(input.shape()[1]);
  const auto spatial = static_cast<size_t>(input.shape()[3]);
  std::vector<double> x(channels), scales;
  for (size_t c = 0; c < channels; ++c) x[c] = input.as<float>()[c * spatial];
  for (const Tensor& weight : problem.weights) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double rms = std::sqrt(squares / static_cast<double>(channels));
    scales.push_back(to_float(to_half(static_cast<float>(kClampRms * rms / 127))));
    std::vector<double> y(channels);
    for (size_t row = 0; row < channels; ++row) {
      y[row] = dot(weight.as<float>().subspan(row * channels, channels), x);
    }
    x = std::move(y);
  }
  return scales;
}

// `problem` with its weights packed, and its activations where that is asked for.
Problem quantized(Problem problem, bool activations) {
  std::vector<double> scales(problem.weights.size(), 1.0);
  if (activations && problem.numbers) scales = activation_scales(problem);
  std::vector<PackedWeight> packed;
  for (const Tensor& weight : problem.weights) {
    packed.push_back(problem.numbers ? pack(weight) : outline_of(weight));
  }
  problem.weights.clear();
  problem.build = [=](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    const DType dtype = x[0]->type.dtype;
    Value y = x[0];
    for (size_t layer = 0; layer < packed.size(); ++layer) {
      const auto& [numbers, channel_scales] = packed[layer];
      if (activations) y = b.dequantize(b.quantize(y, scales[layer]), dtype, scales[layer]);
      y = b.conv1x1(y, b.constexpr_affine_dequantize(numbers, channel_scales->cast(dtype), 0));
    }
    return std::vector{y};
  };
  return problem;
}

// How far an answer may be from that of the same program in fp64. Where a number is close to the
// middle of two steps, rounding decides otherwise, and in a few layers nearly all numbers differ by
// a step or so: one or two percent a layer, which add up like a random walk.
double allowed_error(const Chain& chain) {
  return 0.03 + 0.02 * std::sqrt(static_cast<double>(chain.depth));
}

void add_speedups(std::vector<ordered_json>& rows) {
  double plain_ms = 0;
  for (ordered_json& row : rows) {
    const std::string variant = row["variant"];
    const double ms = number(row, "ms");
    if (variant != "w8" && variant != "w8a8") plain_ms = ms;
    if (ms > 0 && plain_ms > 0) row["speedup"] = plain_ms / ms;
  }
}

}  // namespace

BenchCase int8_case(const Chain& chain, Int8Variant variant, DType dtype) {
  BenchCase result = chain_case(chain, dtype);
  const bool packed = variant != Int8Variant::kPlain;
  const double bytes = packed ? (dtype == DType::kFp16 ? 0.5 : 0.25) : 1;  // of the plain ones
  result.labels = {{"variant", name_of(variant, dtype)},
                   {"depth", chain.depth},
                   {"channels", chain.channels},
                   {"spatial", chain.spatial},
                   {"weight_mb", result.labels["weight_mb"].get<double>() * bytes},
                   {"gflop", result.labels["gflop"]}};
  if (!packed) return result;
  const bool activations = variant == Int8Variant::kWeightsAndActivations;
  if (activations) result.allowed_error = allowed_error(chain);
  result.problem = [=, plain = result.problem] { return quantized(plain(), activations); };
  result.outline = [=, plain = result.outline] { return quantized(plain(), activations); };
  return result;
}

std::span<const Chain> int8_chains() { return kChains; }
std::span<const Chain> wide_int8_chains() { return kWide; }

std::vector<ordered_json> measure_int8(Device& device, std::span<const Chain> chains,
                                       const MeasureOptions& options) {
  std::vector<BenchCase> cases;
  for (const Chain& chain : chains) {
    for (const Int8Variant variant : kVariants) {
      cases.push_back(int8_case(chain, variant, device.info().float_type));
    }
  }
  std::vector<ordered_json> rows = measure(device, cases, options);
  add_speedups(rows);
  return rows;
}

}  // namespace anemone
