#include "anemone/model/stage_writer.h"

#include <cmath>

namespace anemone {
namespace {

constexpr const char* kOpset = "ios18";

// "up_proj" of "mlp.up_proj", "lm_head" of itself.
std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

}  // namespace

StageWriter::StageWriter(const TransformerConfig& config, const std::string& name)
    : config_(config),
      result_{{Function(name, kOpset), "", "", {}}, {}},
      builder_(result_.stage.function) {}

Value StageWriter::parameter(ParameterSpec spec, Shape shape) {
  const std::string module = spec.name.substr(0, spec.name.rfind('.'));
  std::string input = last_part(module);
  if (spec.name.ends_with(".bias")) input += "_bias";
  if (spec.adapter) input = last_part(module.substr(0, module.rfind('.'))) + "_" + input;
  if (shape.empty()) shape = spec.shape;
  result_.stage.weights.push_back(input);
  result_.parameters.push_back(std::move(spec));
  return builder_.input(input, DType::kFp32, std::move(shape));
}

Value StageWriter::linear(const std::string& module, Value x, int64_t out, LinearOptions options) {
  const int64_t in = x->type.shape[1];
  // Radford et al. 2019: branches add up along the layers.
  const double residual = 1 / std::sqrt(2.0 * static_cast<double>(config_.layers));
  ParameterSpec spec{.name = module + ".weight", .shape = {out, in}, .rotary = options.rotary};
  spec.deviation = 0.5 / std::sqrt(static_cast<double>(in)) * (options.ends_branch ? residual : 1);
  Value y = builder_.conv1x1(x, parameter(std::move(spec), {out, in, 1, 1}));
  if (options.bias) {
    const Value bias =
        parameter({.name = module + ".bias", .shape = {out}, .rotary = options.rotary});
    y = builder_.add(y, builder_.reshape(bias, {1, out, 1, 1}));
  }
  if (const Value more = adapter(module, x, out)) y = builder_.add(y, more);
  return builder_.named(last_part(module) + "_out", y);
}

Value StageWriter::adapter(const std::string& module, Value x, int64_t out) {
  if (!config_.lora || !config_.lora->adapts(last_part(module))) return nullptr;
  const int64_t in = x->type.shape[1], rank = config_.lora->rank;
  // A starts with the deviation that PEFT's uniform numbers have, B with zeros.
  const Value a = parameter({.name = module + ".lora_A.weight",
                             .shape = {rank, in},
                             .deviation = 1 / std::sqrt(3.0 * static_cast<double>(in)),
                             .adapter = true},
                            {rank, in, 1, 1});
  const Value b =
      parameter({.name = module + ".lora_B.weight", .shape = {out, rank}, .adapter = true},
                {out, rank, 1, 1});
  return builder_.conv1x1(builder_.mul(builder_.conv1x1(x, a), config_.lora->scale()), b);
}

Value StageWriter::norm(const std::string& module, Value x) {
  const double mean = config_.norm_adds_one ? 0 : 1;
  Value weight = parameter({.name = module + ".weight", .shape = {x->type.shape[1]}, .mean = mean});
  if (config_.norm_adds_one) weight = builder_.add(weight, 1.0);
  const Value epsilon = builder_.scalar(DType::kFp32, config_.norm_epsilon);
  return builder_.named(
      last_part(module) + "_out",
      builder_.op("anemone.rms_norm", {{"x", x}, {"weight", weight}, {"epsilon", epsilon}}));
}

ModelStage StageWriter::take(const char* data_input, const char* data_output) {
  result_.stage.data_input = data_input;
  result_.stage.data_output = data_output;
  return std::move(result_);
}

}  // namespace anemone
