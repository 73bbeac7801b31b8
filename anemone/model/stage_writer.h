// Writes one stage of a model: its operations, and the parameters they use.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "anemone/ir/stage.h"
#include "anemone/model/parameter_spec.h"
#include "anemone/ops/builder.h"

namespace anemone {

// A stage with what its weights are, in their order. Names of parameters are relative to the layer
// where the stage is one of a layer's: "mlp.up_proj.weight".
struct ModelStage {
  Stage stage;
  std::vector<ParameterSpec> parameters;
};

// Activations are [1, D, 1, S], x is the data that the stage takes.
class StageWriter {
 public:
  StageWriter(const TransformerConfig& config, const std::string& name);

  Builder& builder() { return builder_; }
  Value input(const char* name, Shape shape) {
    return builder_.input(name, DType::kFp32, std::move(shape));
  }
  Value ids(const char* name, int64_t count) {
    return builder_.input(name, DType::kInt32, {count});
  }

  // Declares an input "up_proj" for the parameter "mlp.up_proj.weight", which has the shape `spec`
  // or, as the stage has it, `shape`.
  Value parameter(ParameterSpec spec, Shape shape = {});

  // The linear layer `module` ("mlp.up_proj") on x [1, in, 1, S]. A product that ends a residual
  // branch starts with smaller weights.
  struct LinearOptions {
    bool bias = false, rotary = false, ends_branch = false;
  };
  Value linear(const std::string& module, Value x, int64_t out, LinearOptions options);

  // RMS norm over the channels of x [N, C, 1, S] with the weight [C] of `module`.
  Value norm(const std::string& module, Value x);

  // The finished stage.
  ModelStage take(const char* data_input = "x", const char* data_output = "y");

 private:
  // scale * B (A x) of `module` where it is adapted, else null.
  Value adapter(const std::string& module, Value x, int64_t out);

  const TransformerConfig& config_;
  ModelStage result_;
  Builder builder_;
};

// Deviation of initial weights of the embedding table and the classifier. The table is looked up,
// and as the classifier it must start with small logits.
inline constexpr double kTableDeviation = 0.02;

}  // namespace anemone
