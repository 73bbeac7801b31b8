// The whole stack against values that other software made (make_golden.py): logits, gradients, and
// the losses of training runs, all in fp64 there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/generate/generator.h"
#include "anemone/model/transformer.h"
#include "anemone/tensor/compare.h"
#include "anemone/train/trainer.h"

namespace anemone {
namespace {
namespace fs = std::filesystem;

// Allowed distances, fp32 against fp64 (docs/training.md). Changing the weights by one fp32
// rounding before the first of a hundred updates moves the oracle's own losses by up to 5e-5.
constexpr double kLossTolerance = 5e-5, kLongRunTolerance = 1e-4;
constexpr double kLogitTolerance = 2e-4, kGradientTolerance = 1e-4;

const fs::path kGolden = fs::path(ANEMONE_SOURCE_DIR) / "tests/golden";
const fs::path kShared = fs::path(ANEMONE_SOURCE_DIR) / "../shared/data";

nlohmann::json golden(const char* name) { return nlohmann::json::parse(read_file(kGolden / name)); }

ParameterLookup values_of(ParameterSet& parameters) {
  return [&](const std::string& name) { return parameters.find(name).value.get(); };
}

// The options of a golden run; what it leaves out are make_golden.py's defaults.
TrainerState state_of(const nlohmann::json& options, const fs::path& data) {
  TrainerState state;
  TrainOptions& o = state.options;
  o.data = data.string();
  o.order = Order::kSequential;
  o.steps = options.value("steps", 20);
  o.batch = options.value("batch", 1);
  o.sequence = options.value("seq", 128);
  o.learning_rate = options.value("lr", 1e-3);
  o.optimizer.clip = options.value("clip", 1.0);
  return state;
}

void expect_runs(const nlohmann::json& runs, const fs::path& model, const fs::path& data) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  for (const nlohmann::json& run : runs) {
    SCOPED_TRACE(run.at("options").dump());
    Trainer trainer({*device, *device, pool, find_pipeline("host")},
                    state_of(run.at("options"), data), load_model(model));
    const double tolerance =
        trainer.state().options.steps > 20 ? kLongRunTolerance : kLossTolerance;
    for (size_t i = 0; !trainer.done(); ++i) {
      const UpdateMetrics metrics = trainer.update();
      const double norm = run.at("grad_norms")[i];
      EXPECT_NEAR(metrics.loss, run.at("losses")[i].get<double>(), tolerance) << "step " << i;
      EXPECT_NEAR(metrics.gradient_norm / norm, 1, 1e-3) << "step " << i;
    }
  }
}

TEST(Golden, LossesOfTrainingTheTinyModelAreTheOracles) {
  expect_runs(golden("tiny.json").at("runs"), kGolden / "tiny.bin", kGolden / "tiny.tokens.bin");
}

TEST(Golden, GradientsOfEveryTensorAreTheOracles) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  ParameterSet parameters(*device, load_model(kGolden / "tiny.bin"), /*trained=*/true);
  const ModelWeights expected = load_model(kGolden / "tiny.gradients.bin");
  const int64_t batch = 2, sequence = 16;
  TrainingProgram program({*device, *device, find_pipeline("host")},
                          training_chain(parameters.config(), batch, sequence, OutputHead::kLoss),
                          values_of(parameters), [&](const std::string& name) {
                            return parameters.find(name).gradient.get();
                          });
  const TokenShard shard =
      TokenShard::open(kGolden / "tiny.tokens.bin", parameters.config().vocab_size);
  Tensor tokens(DType::kInt32, {batch * sequence}), targets(DType::kInt32, {batch * sequence});
  shard.read(0, tokens.as<int32_t>());
  shard.read(1, targets.as<int32_t>());
  program.side("tokens").write(tokens);
  program.side("targets").write(targets);
  program.run(1);
  for (Parameter& parameter : parameters.all()) {
    const Difference difference =
        compare(parameter.gradient->map(), expected.tensors.at(parameter.name));
    EXPECT_LT(difference.relative_norm, kGradientTolerance) << parameter.name;
  }
}

TEST(Golden, LogitsOfTheCachedDecoderAreTheOracles) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  ParameterSet parameters(*device, load_model(kGolden / "tiny.bin"), /*trained=*/false);
  Generator generator(*device, parameters.config(), 32, values_of(parameters));
  const TokenShard shard =
      TokenShard::open(kGolden / "tiny.tokens.bin", parameters.config().vocab_size);
  const nlohmann::json rows = golden("tiny.json").at("logits");
  for (size_t t = 0; t < rows.size(); ++t) {
    const std::span<const float> logits = generator.feed(shard.at(static_cast<int64_t>(t)));
    for (size_t v = 0; v < logits.size(); ++v) {
      ASSERT_NEAR(logits[v], rows[t][v].get<double>(), kLogitTolerance) << t << " " << v;
    }
  }
}

TEST(Golden, LossesOfTrainingStories260KAreTheOracles) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "needs " << kShared;
  expect_runs(golden("stories260K.json").at("runs"), kShared / "stories260K.bin",
              kShared / "tinystories-valid.tok512.u16.bin");
}

TEST(Golden, Stories260KWritesTheOraclesStory) {
  if (!fs::exists(kShared)) GTEST_SKIP() << "needs " << kShared;
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  ParameterSet parameters(*device, load_model(kShared / "stories260K.bin"), /*trained=*/false);
  Generator generator(*device, parameters.config(), 256, values_of(parameters));
  const nlohmann::json expected = golden("stories260K.json");
  SamplerOptions greedy;
  greedy.temperature = 0;
  const std::vector<int> prompt = {1}, stops = {1, 2};
  EXPECT_EQ(generate(generator, prompt, 120, greedy, stops).ids,
            expected.at("greedy_from_bos").get<std::vector<int>>());

  generator.go_back(0);
  const TokenShard shard = TokenShard::open(kShared / "tinystories-valid.tok512.u16.bin", 512);
  std::span<const float> logits;
  for (int64_t t = 0; t < 48; ++t) logits = generator.feed(shard.at(t));
  for (size_t v = 0; v < logits.size(); ++v) {
    ASSERT_NEAR(logits[v], expected.at("last_logits")[v].get<double>(), kLogitTolerance) << v;
  }
}

}  // namespace
}  // namespace anemone
