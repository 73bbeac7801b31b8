// New weights, and where the numbers of a model lie.
#include "anemone/train/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/passes/passes.h"

namespace anemone {
namespace {

TransformerConfig medium_config() {
  return {.vocab_size = 300,
          .dim = 64,
          .hidden_dim = 96,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 16,
          .max_sequence = 32};
}

double deviation(const Tensor& tensor) {
  double sum = 0, squares = 0;
  for (float value : tensor.as<float>()) {
    sum += value;
    squares += double{value} * value;
  }
  const auto count = static_cast<double>(tensor.size());
  EXPECT_LT(std::abs(sum / count), 5 * std::sqrt(squares / count / count));  // 5 standard errors
  return std::sqrt(squares / count);
}

TEST(InitialWeights, DependOnSeedAndConfigOnly) {
  const TransformerConfig config = medium_config();
  const ModelWeights weights = initial_weights(config, 3);
  EXPECT_TRUE(same_values(initial_weights(config, 3), weights));
  EXPECT_FALSE(same_values(initial_weights(config, 4), weights));
  EXPECT_NO_THROW(check(weights, "new weights"));
}

TEST(InitialWeights, NormsAreOne) {
  for (const auto& [name, tensor] : initial_weights(medium_config(), 3).tensors) {
    if (tensor.shape().size() != 1) continue;
    for (float value : tensor.as<float>()) ASSERT_EQ(value, 1) << name;
  }
}

// 0.5 / sqrt(inputs), for branch ends also / sqrt(2 * layers), table and classifier 0.02.
TEST(InitialWeights, DeviationsAreTheDocumentedOnes) {
  TransformerConfig config = medium_config();
  config.tied_classifier = false;
  const ModelWeights weights = initial_weights(config, 3);
  const auto expect = [&](const std::string& name, double expected) {
    EXPECT_NEAR(deviation(weights.tensors.at(name)) / expected, 1, 0.06) << name;
  };
  expect("model.embed_tokens.weight", 0.02);
  expect("lm_head.weight", 0.02);
  for (int64_t layer : {0, 1}) {
    for (const char* part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "mlp.gate_proj", "mlp.up_proj"}) {
      expect(layer_prefix(layer) + part + ".weight", 0.5 / 8);
    }
    expect(layer_prefix(layer) + "self_attn.o_proj" + ".weight", 0.5 / 8 / 2);
    expect(layer_prefix(layer) + "mlp.down_proj" + ".weight", 0.5 / std::sqrt(96) / 2);
  }
}

TEST(InitialWeights, ALinearLayerAsHighAsTheVocabularyIsNoTable) {
  TransformerConfig config = medium_config();
  config.vocab_size = config.hidden_dim;
  const ModelWeights weights = initial_weights(config, 3);
  EXPECT_NEAR(deviation(weights.tensors.at(layer_prefix(0) + "mlp.gate_proj" + ".weight")), 0.0625,
              0.004);
}

class ParameterSetTest : public testing::Test {
 protected:
  ThreadPool pool{1};
  std::unique_ptr<Device> device = make_cpu_device(pool);
};

TEST_F(ParameterSetTest, KeepsTheOrderOfTheExpectedTensors) {
  for (bool tied : {true, false}) {
    ParameterSet set(*device, tiny_weights(tied), /*trained=*/true);
    const std::vector<ParameterSpec> expected = parameters(set.config());
    ASSERT_EQ(set.all().size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const Parameter& parameter = set.all()[i];
      EXPECT_EQ(parameter.name, expected[i].name);
      EXPECT_EQ(parameter.shape, expected[i].shape);
      EXPECT_EQ(parameter.decays(), expected[i].shape.size() == 2) << parameter.name;
      EXPECT_EQ(&set.find(expected[i].name), &parameter);
    }
    EXPECT_EQ(set.count(), parameter_count(set.config()));
  }
}

TEST_F(ParameterSetTest, WeightsShowTheValuesWhereTheyLie) {
  const ModelWeights given = tiny_weights();
  ParameterSet set(*device, tiny_weights(), /*trained=*/false);
  const ModelView view = set.weights();
  EXPECT_EQ(view.config, given.config);
  ASSERT_EQ(view.tensors.size(), given.tensors.size());
  for (const auto& [name, tensor] : given.tensors) {
    const TensorView shown = view.tensors.at(name);
    EXPECT_EQ(shown.shape, tensor.shape()) << name;
    EXPECT_EQ(std::memcmp(shown.data, tensor.data(), tensor.bytes()), 0) << name;
  }
  set.find("model.norm.weight").value->map().set(2, 7.5);
  EXPECT_EQ(view.tensors.at("model.norm.weight").at(2), 7.5);
}

TEST_F(ParameterSetTest, GradientsAndMomentsStartAtZeroAndOnlyWhenTrained) {
  ParameterSet trained(*device, tiny_weights(), /*trained=*/true),
      frozen(*device, tiny_weights(), /*trained=*/false);
  for (Parameter& parameter : trained.all()) {
    for (Buffer* buffer :
         {parameter.gradient.get(), parameter.first_moment.get(), parameter.second_moment.get()}) {
      for (float value : buffer->map().as<float>()) ASSERT_EQ(value, 0) << parameter.name;
    }
  }
  for (const Parameter& parameter : frozen.all()) {
    EXPECT_FALSE(parameter.gradient || parameter.first_moment || parameter.second_moment);
  }
}

ModelWeights copy_of(const ModelWeights& weights) {
  ModelWeights copy{weights.config, {}};
  for (const auto& [name, tensor] : weights.tensors) copy.tensors.emplace(name, tensor.clone());
  return copy;
}

TEST(ParameterSet, MatricesInInt8AreWithinHalfAStepOfTheirNumbersAndVectorsExact) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  const ModelWeights weights = tiny_weights(/*tied=*/false);
  ModelWeights copy = copy_of(weights);
  std::fill_n(copy.tensors.at("lm_head.weight").as<float>().begin(), weights.config.dim, 0.0f);
  ParameterSet stored(*device, std::move(copy), /*trained=*/false, DType::kInt8);
  const ParameterLookup values = stored.values();
  for (const auto& [name, tensor] : weights.tensors) {
    const Tensor actual(DType::kFp32, tensor.shape());
    values(name)->read(actual);
    const int64_t rows = tensor.shape()[0], columns = tensor.size() / rows;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (tensor.shape().size() == 1) {
        EXPECT_EQ(actual.at(i), tensor.at(i)) << name;
        continue;
      }
      const double scale = values(scale_parameter(name))->map().at(i / columns);
      const double expected = name == "lm_head.weight" && i < columns ? 0 : tensor.at(i);
      EXPECT_LE(std::abs(actual.at(i) * scale - expected), 0.5001 * scale) << name << " " << i;
      EXPECT_LE(std::abs(actual.at(i)), 127) << name;
    }
  }
}

TEST(ParameterSet, ACopyInInt8IsTheOneThatTheWeightsGive) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  const ModelWeights weights = tiny_weights(/*tied=*/false);
  const ParameterSet whole(*device, copy_of(weights), /*trained=*/false);
  ParameterSet copy(*device, whole.weights(), DType::kInt8);
  ParameterSet direct(*device, copy_of(weights), /*trained=*/false, DType::kInt8);
  const ParameterLookup copied = copy.values(), expected = direct.values();
  for (const Parameter& parameter : direct.all()) {
    std::vector<std::string> names = {parameter.name};
    if (parameter.scale) names.push_back(scale_parameter(parameter.name));
    for (const std::string& name : names) {
      const TensorView a = copied(name)->map(), b = expected(name)->map();
      ASSERT_EQ(a.dtype, b.dtype) << name;
      EXPECT_EQ(std::memcmp(a.data, b.data, b.bytes()), 0) << name;
    }
  }
}

}  // namespace
}  // namespace anemone
