// The stages of a transformer: names, shapes, and what attention may see.
#include "anemone/model/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "anemone/base/random.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/tensor/compare.h"

namespace anemone {
namespace {

constexpr double kTolerance = 1e-5;
constexpr int64_t kLength = 5;

TransformerConfig config_of(bool tied = true, int64_t kv_heads = 2, int64_t head_size = 4) {
  return {.vocab_size = 12,
          .dim = 16,
          .hidden_dim = 24,
          .layers = 2,
          .heads = 4,
          .kv_heads = kv_heads,
          .head_size = head_size,
          .max_sequence = 10,
          .tied_classifier = tied};
}

// Every switch on.
TransformerConfig unusual_config() {
  TransformerConfig config = config_of(false);
  config.sliding_rope = Rope{.theta = 100};
  config.window = 3;
  config.layer_kinds = {{.sliding = true}, {.rotates = false}};
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
  config.qk_norm = QkNorm::kPerHead;
  config.norms_after = config.norm_adds_one = true;
  config.activation = Activation::kGeluTanh;
  config.embedding_scale = 4;
  config.attention_scale = 0.3;
  return config;
}

std::vector<TransformerConfig> all_configs() {
  return {config_of(),        config_of(false),       config_of(true, 4),
          config_of(true, 1), config_of(false, 2, 6), unusual_config()};
}

std::vector<StageChain> chains_of(const TransformerConfig& config) {
  std::vector<StageChain> chains;
  chains.push_back(training_chain(config, 2, 3, OutputHead::kLogits));
  chains.push_back(training_chain(config, 2, 3, OutputHead::kLoss));
  chains.push_back(training_chain(config, 1, 1, OutputHead::kLoss));
  chains.push_back(decode_chain(config, 7));
  return chains;
}

Tensor random_values(Shape shape, uint64_t seed) {
  Tensor tensor(DType::kFp32, std::move(shape));
  Random random(seed);
  for (float& value : tensor.as<float>()) value = static_cast<float>(random.normal());
  return tensor;
}

// Inputs of an attention stage other than x.
NamedTensors attention_weights(const TransformerConfig& config) {
  const int64_t q = config.heads * config.head_size, kv = config.kv_heads * config.head_size;
  NamedTensors weights;
  weights["input_layernorm"] = random_values({config.dim}, 1);
  weights["q_proj"] = random_values({q, config.dim, 1, 1}, 2);
  weights["k_proj"] = random_values({kv, config.dim, 1, 1}, 3);
  weights["v_proj"] = random_values({kv, config.dim, 1, 1}, 4);
  weights["o_proj"] = random_values({config.dim, q, 1, 1}, 5);
  return weights;
}

Tensor attention(const TransformerConfig& config, int64_t batch, NamedTensors inputs,
                 const Tensor& x) {
  inputs["x"] = x.clone();
  return evaluate(attention_stage(config, {}, batch, kLength).stage.function, inputs)
      .at("y")
      .clone();
}

// Columns [first, first + width) of [1, D, 1, S].
Tensor columns(const Tensor& x, int64_t first, int64_t width) {
  const int64_t dim = x.shape()[1], all = x.shape()[3];
  Tensor part(DType::kFp32, {1, dim, 1, width});
  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t s = 0; s < width; ++s) {
      part.view().set(d * width + s, x.at(d * all + first + s));
    }
  }
  return part;
}

// Every key/value head `times` times, one after another.
Tensor repeat_heads(const Tensor& weight, int64_t head_size, int64_t times) {
  Shape shape = weight.shape();
  shape[0] *= times;
  Tensor result(DType::kFp32, shape);
  const int64_t block = head_size * shape[1];
  for (int64_t i = 0; i < result.size(); ++i) {
    result.view().set(i, weight.at(i / block / times * block + i % block));
  }
  return result;
}

TEST(Transformer, EveryStageVerifies) {
  for (const TransformerConfig& config : all_configs()) {
    for (const StageChain& chain : chains_of(config)) {
      for (const Stage& stage : chain.stages) {
        for (const Diagnostic& finding : verify(stage.function)) {
          ADD_FAILURE() << stage.function.name << " " << finding.where << " " << finding.message;
        }
      }
    }
  }
}

TEST(Transformer, EveryUseHandsOnWhatTheNextOneTakes) {
  for (const TransformerConfig& config : all_configs()) {
    for (const StageChain& chain : chains_of(config)) {
      ASSERT_EQ(chain.uses.size(), 2 + 2 * static_cast<size_t>(config.layers));
      EXPECT_EQ(chain.stages[chain.uses[0].stage].data_input, "");
      for (size_t u = 1; u < chain.uses.size(); ++u) {
        const Stage &from = chain.stages[chain.uses[u - 1].stage],
                    &to = chain.stages[chain.uses[u].stage];
        const Value given = from.function.find(from.data_output),
                    taken = to.function.find(to.data_input);
        ASSERT_TRUE(given && taken) << chain.uses[u].label;
        EXPECT_EQ(given->type.shape, taken->type.shape) << chain.uses[u].label;
      }
    }
  }
}

TEST(Transformer, WeightsOfAChainAreTheExpectedTensorsEachOnceButTheTiedTable) {
  for (const TransformerConfig& config : all_configs()) {
    for (const StageChain& chain : chains_of(config)) {
      std::map<std::string, int> times;
      std::map<std::string, Shape> shapes;
      for (const StageUse& use : chain.uses) {
        const Stage& stage = chain.stages[use.stage];
        ASSERT_EQ(use.parameters.size(), stage.weights.size()) << use.label;
        for (size_t w = 0; w < stage.weights.size(); ++w) {
          const Value input = stage.function.find(stage.weights[w]);
          ASSERT_NE(input, nullptr) << stage.weights[w];
          Shape shape = input->type.shape;
          if (shape.size() == 4) shape.resize(2);  // [O, C, 1, 1]
          const auto [known, fresh] = shapes.emplace(use.parameters[w], shape);
          EXPECT_EQ(known->second, shape) << use.parameters[w];
          ++times[use.parameters[w]];
        }
      }
      const std::vector<ParameterSpec> expected = parameters(config);
      EXPECT_EQ(shapes.size(), expected.size());
      for (const ParameterSpec& spec : expected) {
        const std::string& name = spec.name;
        const bool shared = config.tied_classifier && name == "model.embed_tokens.weight";
        EXPECT_EQ(times[name], shared ? 2 : 1) << name;
        EXPECT_EQ(shapes[name], spec.shape) << name;
      }
    }
  }
}

TEST(Transformer, AWeightIsBoundToTheModuleOfItsNameInItsLayer) {
  const StageChain chain = training_chain(config_of(false), 1, 2, OutputHead::kLoss);
  for (const StageUse& use : chain.uses) {
    const Stage& stage = chain.stages[use.stage];
    const bool in_layer = use.label.starts_with("layers.");
    const std::string layer = in_layer ? "model." + use.label.substr(0, 8) + "." : "";
    for (size_t w = 0; w < stage.weights.size(); ++w) {
      EXPECT_TRUE(use.parameters[w].ends_with(stage.weights[w] + ".weight")) << use.parameters[w];
      EXPECT_TRUE(use.parameters[w].starts_with(layer)) << use.label << " " << use.parameters[w];
    }
  }
}

TEST(Attention, TwoSequencesInABatchAreEachAsAlone) {
  const TransformerConfig config = config_of();
  const Tensor x = random_values({1, config.dim, 1, 2 * kLength}, 9);
  const auto run = [&](int64_t batch, const Tensor& input) {
    return attention(config, batch, attention_weights(config), input);
  };
  const Tensor y = run(2, x);
  const Tensor a = run(1, columns(x, 0, kLength)), b = run(1, columns(x, kLength, kLength));
  EXPECT_LT(compare(columns(y, 0, kLength), a).relative_norm, kTolerance);
  EXPECT_LT(compare(columns(y, kLength, kLength), b).relative_norm, kTolerance);
}

TEST(Attention, ATokenSeesNothingAfterIt) {
  const TransformerConfig config = config_of();
  Tensor x = random_values({1, config.dim, 1, kLength}, 9);
  const Tensor before = attention(config, 1, attention_weights(config), x);
  for (int64_t d = 0; d < config.dim; ++d) x.view().set(d * kLength + kLength - 1, 0.5);
  const Tensor after = attention(config, 1, attention_weights(config), x);
  EXPECT_EQ(compare(columns(after, 0, kLength - 1), columns(before, 0, kLength - 1)).max_absolute,
            0);
  EXPECT_GT(compare(after, before).max_absolute, 0.1);
}

TEST(Attention, FewerKeyHeadsAreEachSharedByNeighbouringQueryHeads) {
  for (int64_t kv_heads : {1, 2}) {
    const TransformerConfig grouped = config_of(true, kv_heads), full = config_of(true, 4);
    const Tensor x = random_values({1, grouped.dim, 1, kLength}, 9);
    NamedTensors repeated = attention_weights(grouped);
    for (const char* name : {"k_proj", "v_proj"}) {
      repeated[name] = repeat_heads(repeated.at(name), grouped.head_size, 4 / kv_heads);
    }
    const Tensor expected = attention(full, 1, std::move(repeated), x);
    const Tensor y = attention(grouped, 1, attention_weights(grouped), x);
    EXPECT_LT(compare(y, expected).relative_norm, kTolerance) << kv_heads;
  }
}

}  // namespace
}  // namespace anemone
