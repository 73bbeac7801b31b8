// Every family of models against transformers (make_families.py): logits, gradients and training in
// fp64 there, and what is saved here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/data/safetensors.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/export/transformer_package.h"
#include "anemone/generate/generator.h"
#include "anemone/model/families.h"
#include "anemone/ops/evaluate.h"
#include "anemone/tensor/compare.h"
#include "anemone/train/trainer.h"

namespace anemone {
namespace {
namespace fs = std::filesystem;

// fp32 against fp64; transformers itself computes norms and rotary tables in fp32.
constexpr double kLogitTolerance = 2e-4, kGradientTolerance = 1e-4, kLossTolerance = 5e-5;
constexpr int64_t kBatch = 2, kSequence = 16;

const fs::path kGolden = fs::path(ANEMONE_SOURCE_DIR) / "tests/golden";
const fs::path kTokens = kGolden / "tiny.tokens.bin";

class Families : public testing::TestWithParam<std::string> {
 protected:
  fs::path directory() const { return kGolden / "families" / GetParam(); }
  nlohmann::json expected() const {
    return nlohmann::json::parse(read_file(directory() / "expected.json"));
  }
  // Token `position` of the text.
  static int token(int64_t position) { return TokenShard::open(kTokens, 50).at(position); }

  // Logits after the token at `position` of the first row.
  void expect_logits(std::span<const float> logits, int64_t position, const char* what) const {
    const nlohmann::json row = expected().at("logits")[static_cast<size_t>(position)];
    ASSERT_EQ(logits.size(), row.size());
    for (size_t v = 0; v < row.size(); ++v) {
      ASSERT_NEAR(logits[v], row[v].get<double>(), kLogitTolerance)
          << what << ", token " << v << " at " << position;
    }
  }

  ThreadPool pool{2};
  std::unique_ptr<Device> device = make_cpu_device(pool);
};

std::vector<std::string> directories() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden / "families")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Families, testing::ValuesIn(directories()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(FamilyRows, EachHasAGoldenModel) {
  std::set<std::string> seen;
  for (const std::string& name : directories()) {
    seen.insert(read_hf_config(kGolden / "families" / name).model_type);
  }
  for (const std::string_view family : family_names()) {
    EXPECT_TRUE(seen.contains(std::string(family))) << family;
  }
}

TEST_P(Families, GradientsOfEveryTensorAreThoseOfTransformers) {
  ParameterSet parameters(*device, load_model(directory()), /*trained=*/true);
  TrainingProgram program(
      {*device, *device, find_pipeline("host")},
      training_chain(parameters.config(), kBatch, kSequence, OutputHead::kLoss),
      [&](const std::string& name) { return parameters.find(name).value.get(); },
      [&](const std::string& name) { return parameters.find(name).gradient.get(); });
  const TokenShard shard = TokenShard::open(kTokens, parameters.config().vocab_size);
  Tensor tokens(DType::kInt32, {kBatch * kSequence}), targets(DType::kInt32, tokens.shape());
  shard.read(0, tokens.as<int32_t>());
  shard.read(1, targets.as<int32_t>());
  program.side("tokens").write(tokens);
  program.side("targets").write(targets);
  program.run(1);
  const SafetensorsFile expected(directory() / "gradients.safetensors");
  EXPECT_EQ(parameters.all().size(), expected.names().size());
  for (Parameter& parameter : parameters.all()) {
    const Difference difference = compare(parameter.gradient->map(), expected.read(parameter.name));
    EXPECT_LT(difference.relative_norm, kGradientTolerance) << parameter.name;
  }
}

TrainerState golden_state() {
  TrainerState state;
  state.options.data = kTokens.string();
  state.options.order = Order::kSequential;
  state.options.steps = 20;
  state.options.batch = kBatch;
  state.options.sequence = kSequence;
  state.options.learning_rate = 1e-3;
  state.options.optimizer.clip = 1;
  return state;
}

TEST_P(Families, TwentyUpdatesLoseWhatTransformersLoses) {
  Trainer trainer({*device, *device, pool, find_pipeline("host")}, golden_state(),
                  load_model(directory()));
  const nlohmann::json run = expected();
  for (size_t i = 0; !trainer.done(); ++i) {
    const UpdateMetrics metrics = trainer.update();
    EXPECT_NEAR(metrics.loss, run.at("losses")[i].get<double>(), kLossTolerance) << "step " << i;
    EXPECT_NEAR(metrics.gradient_norm / run.at("grad_norms")[i].get<double>(), 1, 1e-3) << i;
  }
}

// fp16 of the simulated engine, whose rounding the first losses show.
TEST_P(Families, UpdatesOnTheSimulatedEngineLoseAboutTheSame) {
  const auto engine = make_sim_device(find_chip("m4-max"), pool);
  Trainer trainer({*engine, *device, pool, find_pipeline("dynamic")}, golden_state(),
                  load_model(directory()));
  const nlohmann::json run = expected();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(trainer.update().loss, run.at("losses")[i].get<double>(), 0.01) << "step " << i;
  }
}

TEST_P(Families, DecodingTokenByTokenOrAPromptAtOnceGivesTheLogitsOfTransformers) {
  ParameterSet parameters(*device, load_model(directory()), /*trained=*/false);
  const ParameterLookup values = parameters.values();
  Generator one(*device, parameters.config(), 32, values);
  for (int64_t t = 0; t < kSequence; ++t) expect_logits(one.feed(token(t)), t, "one by one");

  Generator some(*device, parameters.config(), 32, values);
  std::vector<int> text;
  for (int64_t t = 0; t < kSequence; ++t) text.push_back(token(t));
  const std::span<const int> all = text;
  expect_logits(some.feed(all.first(12)), 11, "prefill");
  expect_logits(some.feed(all.subspan(12, 3)), 14, "three at once");
  expect_logits(some.feed(text.back()), 15, "one more");
}

TEST_P(Families, APackageOfItComputesTheSame) {
  ModelPackage package =
      transformer_package(load_model(directory()), {.sequence = kSequence, .dtype = DType::kFp32});
  const Function& decode = *package.program.find("decode");
  NamedTensors caches;
  for (Value input : decode.inputs) {
    if (input->name.find("_cache_") == std::string::npos) continue;
    caches[input->name] = Tensor(input->type.dtype, input->type.shape);
  }
  for (int64_t t = 0; t < kSequence; ++t) {
    caches["tokens"] = Tensor::of<int32_t>({1}, {token(t)});
    caches["position"] = Tensor::of<int32_t>({1}, {static_cast<int32_t>(t)});
    NamedTensors out = evaluate(decode, caches);
    expect_logits(out.at("logits").as<float>(), t, "package");
    for (auto& [name, tensor] : out) {
      if (name.ends_with("_out")) caches[name.substr(0, name.size() - 4)] = std::move(tensor);
    }
  }
}

TEST_P(Families, WhatIsSavedIsReadAsTheSameModel) {
  const TestDirectory out;
  const ModelWeights weights = load_model(directory());
  write_hf_directory(out / "model", weights);
  const ModelWeights again = load_model(out / "model");
  EXPECT_EQ(again.config, weights.config);
  for (const auto& [name, tensor] : weights.tensors) {
    EXPECT_EQ(compare(again.tensors.at(name), tensor).max_absolute, 0) << name;
  }
}

}  // namespace
}  // namespace anemone
