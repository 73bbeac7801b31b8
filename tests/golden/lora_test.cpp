// LoRA against PEFT (make_lora.py), and what frozen and recomputed parts of a model must not
// change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/data/safetensors.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/generate/generator.h"
#include "anemone/model/transformer.h"
#include "anemone/passes/freeze.h"
#include "anemone/tensor/compare.h"
#include "anemone/train/trainer.h"
#include "anemone/train/trains.h"

namespace anemone {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr double kLogitTolerance = 2e-4, kGradientTolerance = 1e-4, kLossTolerance = 5e-5;

const fs::path kGolden = fs::path(ANEMONE_SOURCE_DIR) / "tests/golden";
const fs::path kBase = kGolden / "families/qwen3", kAdapter = kGolden / "lora";
const fs::path kTokens = kGolden / "tiny.tokens.bin";

nlohmann::json expected() { return nlohmann::json::parse(read_file(kAdapter / "expected.json")); }

ModelWeights adapted() {
  ModelWeights weights = load_model(kBase);
  load_adapter(weights, kAdapter);
  return weights;
}

TrainerState state_of(TrainOptions options = {}) {
  TrainerState state;
  state.options = std::move(options);
  state.options.data = kTokens.string();
  state.options.order = Order::kSequential;
  state.options.steps = 20;
  state.options.batch = 2;
  state.options.sequence = 16;
  state.options.learning_rate = 1e-3;
  return state;
}

struct Cpu {
  explicit Cpu(bool bf16 = false) : device(make_cpu_device(pool, {.bf16 = bf16})) {}
  TrainingPlace place(const char* pipeline = "host") {
    return {*device, *device, pool, find_pipeline(pipeline)};
  }
  ThreadPool pool{2};
  std::unique_ptr<Device> device;
};

// Parameters after some updates.
std::map<std::string, Tensor> trained_values(const TrainingPlace& place,
                                             const TrainOptions& options, ModelWeights weights,
                                             int updates = 3) {
  Trainer trainer(place, state_of(options), std::move(weights));
  for (int i = 0; i < updates; ++i) trainer.update();
  std::map<std::string, Tensor> values;
  for (Parameter& parameter : trainer.parameters().all()) {
    Tensor value(DType::kFp32, parameter.shape);
    parameter.value->read(value);
    values[parameter.name] = std::move(value);
  }
  return values;
}

bool same(const Tensor& a, const Tensor& b) { return compare(a, b).max_absolute == 0; }

TEST(Lora, GradientsOfTheAdapterAreThoseOfPeftAndNothingElseHasOne) {
  Cpu cpu;
  ParameterSet parameters(*cpu.device, adapted(),
                          Trains([](const ParameterSpec& spec) { return spec.adapter; }));
  StageChain chain = training_chain(parameters.config(), 2, 16, OutputHead::kLoss);
  freeze(chain, trains_by_name(parameters));
  TrainingProgram program(
      {*cpu.device, *cpu.device, find_pipeline("host")}, chain, parameters.values(),
      [&](const std::string& name) { return parameters.find(name).gradient.get(); });
  const TokenShard shard = TokenShard::open(kTokens, 50);
  Tensor tokens(DType::kInt32, {32}), targets(DType::kInt32, {32});
  shard.read(0, tokens.as<int32_t>());
  shard.read(1, targets.as<int32_t>());
  program.side("tokens").write(tokens);
  program.side("targets").write(targets);
  program.run(1);
  const SafetensorsFile expected_gradients(kAdapter / "gradients.safetensors");
  size_t trained = 0;
  for (Parameter& parameter : parameters.all()) {
    if (!parameter.is_trained()) continue;
    ++trained;
    const Difference difference =
        compare(parameter.gradient->map(), expected_gradients.read(parameter.name));
    EXPECT_LT(difference.relative_norm, kGradientTolerance) << parameter.name;
  }
  EXPECT_EQ(trained, expected_gradients.names().size());
}

TEST(Lora, TrainingLosesWhatPeftLoses) {
  Cpu cpu;
  Trainer trainer(cpu.place(), state_of({.lora_rank = 3}), adapted());
  const nlohmann::json run = expected();
  for (size_t i = 0; !trainer.done(); ++i) {
    const UpdateMetrics metrics = trainer.update();
    EXPECT_NEAR(metrics.loss, run.at("losses")[i].get<double>(), kLossTolerance) << "step " << i;
    EXPECT_NEAR(metrics.gradient_norm / run.at("grad_norms")[i].get<double>(), 1, 1e-3) << i;
  }
}

TEST(Lora, LogitsOfADecoderWithItAndOfMergedWeightsAreThoseOfPeft) {
  Cpu cpu;
  const nlohmann::json logits = expected().at("logits");
  const TokenShard shard = TokenShard::open(kTokens, 50);
  for (const bool merged : {false, true}) {
    ModelWeights weights = adapted();
    if (merged) merge_adapter(weights);
    EXPECT_EQ(weights.config.lora.has_value(), !merged);
    ParameterSet parameters(*cpu.device, std::move(weights), /*trained=*/false);
    Generator generator(*cpu.device, parameters.config(), 32, parameters.values());
    for (size_t t = 0; t < logits.size(); ++t) {
      const std::span<const float> row = generator.feed(shard.at(static_cast<int64_t>(t)));
      for (size_t v = 0; v < row.size(); ++v) {
        ASSERT_NEAR(row[v], logits[t][v].get<double>(), kLogitTolerance) << merged << t << v;
      }
    }
  }
}

TEST(Lora, AnAdapterIsWrittenAsItWasRead) {
  const TestDirectory out;
  write_adapter(out / "a", adapted(), "qwen3");
  const SafetensorsFile ours(out / "a" / "adapter_model.safetensors");
  const SafetensorsFile theirs(kAdapter / "adapter_model.safetensors");
  ASSERT_EQ(ours.names(), theirs.names());
  for (const std::string& name : ours.names())
    EXPECT_TRUE(same(ours.read(name), theirs.read(name)));
  EXPECT_EQ(adapter_base(out / "a"), "qwen3");
  ModelWeights again = load_model(kBase);
  load_adapter(again, out / "a");
  EXPECT_EQ(again.config, adapted().config);
}

TEST(Lora, AnAdapterThatDoesNotFitIsRefused) {
  const auto error_of = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.where() + ": " + error.message();
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of([] {
                ModelWeights other = load_model(kGolden / "families/olmo2");
                load_adapter(other, kAdapter);
              }),
              HasSubstr("has shape"));
  EXPECT_THAT(error_of([] {
                ModelWeights base = load_model(kBase);
                load_adapter(base, kBase);
              }),
              HasSubstr("has no adapter_config.json"));
  const TestDirectory dir;
  for (const auto& [key, value] : {std::pair<const char*, nlohmann::json>{"use_dora", true},
                                   {"peft_type", "IA3"},
                                   {"rank_pattern", {{"q_proj", 8}}},
                                   {"bias", "all"},
                                   {"init_lora_weights", "pissa"},
                                   {"target_modules", ".*_proj"},
                                   {"r", 4}}) {
    write_adapter(dir / "a", adapted(), "qwen3");
    nlohmann::json config = nlohmann::json::parse(read_file(dir / "a" / "adapter_config.json"));
    config[key] = value;
    write_file(dir / "a" / "adapter_config.json", config.dump());
    EXPECT_THAT(error_of([&] {
                  ModelWeights base = load_model(kBase);
                  load_adapter(base, dir / "a");
                }),
                HasSubstr(*key == 'r' && key[1] == 0 ? "has shape" : key));
  }
}

TEST(Lora, OnlyTheAdapterChanges) {
  Cpu cpu;
  const ModelWeights before = adapted();
  const auto after = trained_values(cpu.place(), {.lora_rank = 3}, adapted());
  for (const ParameterSpec& spec : parameters(before.config)) {
    EXPECT_EQ(same(after.at(spec.name), before.tensors.at(spec.name)), !spec.adapter) << spec.name;
  }
}

TEST(Lora, ARunGoesOnFromItsCheckpointBitForBit) {
  Cpu cpu;
  const TestDirectory out;
  Trainer whole(cpu.place(), state_of({.lora_rank = 3}), adapted());
  Trainer first(cpu.place(), state_of({.lora_rank = 3}), adapted());
  for (int i = 0; i < 4; ++i) whole.update();
  for (int i = 0; i < 2; ++i) first.update();
  first.save(out.path());
  const fs::path checkpoint = resolve_checkpoint(out.path());
  ModelWeights weights = load_model(kBase);
  load_adapter(weights, checkpoint);
  Trainer second(cpu.place(), read_trainer_state(checkpoint), std::move(weights));
  second.restore(checkpoint);
  second.update();
  EXPECT_EQ(second.update().step, 4);
  for (size_t i = 0; i < whole.parameters().all().size(); ++i) {
    const Parameter &a = whole.parameters().all()[i], &b = second.parameters().all()[i];
    EXPECT_EQ(compare(a.value->map(), b.value->map()).max_absolute, 0) << a.name;
  }
}

// The base's numbers are bf16, so that storing them so rounds nothing.
TEST(Frozen, MatricesInBf16TrainAsInFp32) {
  Cpu cpu(/*bf16=*/true);
  Trainer trainer(cpu.place(), state_of({.lora_rank = 3}), adapted());
  for (const Parameter& parameter : trainer.parameters().all()) {
    const bool is_matrix = parameter.shape.size() >= 2;
    const DType expected_type = is_matrix && !parameter.is_trained() ? DType::kBf16 : DType::kFp32;
    EXPECT_EQ(parameter.value->type().dtype, expected_type) << parameter.name;
  }
  const nlohmann::json losses = expected().at("losses");
  for (size_t i = 0; !trainer.done(); ++i) {
    EXPECT_NEAR(trainer.update().loss, losses[i].get<double>(), 0.02) << i;
  }
}

TEST(Frozen, ByPatternsTheRestTrainsWithTheGradientsItHadBefore) {
  Cpu cpu;
  const ModelWeights before = load_model(kBase);
  // Without clipping an update is made of a parameter's own gradient alone.
  TrainOptions all, some;
  all.optimizer.clip = some.optimizer.clip = 0;
  some.train = {"model.layers.1.*", "model.norm.weight"};
  some.freeze = {"*.mlp.up_proj.*"};
  const auto whole = trained_values(cpu.place(), all, load_model(kBase), 1);
  const auto part = trained_values(cpu.place(), some, load_model(kBase), 1);
  for (const auto& [name, value] : part) {
    const bool trains = (name.starts_with("model.layers.1.") || name == "model.norm.weight") &&
                        name.find("up_proj") == std::string::npos;
    EXPECT_TRUE(same(value, trains ? whole.at(name) : before.tensors.at(name))) << name;
  }
}

TEST(Frozen, PatternsThatNameNothingOrEverythingAreRefused) {
  const TransformerConfig config = load_model(kBase).config;
  EXPECT_THROW(trains_of({.train = {"*.mlp.upproj.*"}}, config), Error);
  EXPECT_THROW(trains_of({.freeze = {"layers"}}, config), Error);
  EXPECT_THROW(trains_of({.freeze = {"*"}}, config), Error);
}

TEST(Recompute, ChangesNoBit) {
  for (const char* model : {"qwen3", "gemma3", "smollm3"}) {
    for (const bool bf16 : {false, true}) {
      Cpu cpu(bf16);
      const fs::path path = kGolden / "families" / model;
      const auto kept = trained_values(cpu.place(), {}, load_model(path));
      const auto again = trained_values(cpu.place(), {.recompute = true}, load_model(path));
      for (const auto& [name, value] : kept) {
        EXPECT_TRUE(same(value, again.at(name))) << model << bf16 << " " << name;
      }
    }
  }
}

TEST(StaticLora, CompilesOnceAndTrainsAsTheHostDoes) {
  Cpu cpu;
  const auto host = trained_values(cpu.place(), {.lora_rank = 3}, adapted());
  const auto lora = trained_values(cpu.place("static-lora"), {.lora_rank = 3}, adapted());
  for (const auto& [name, value] : host) {
    EXPECT_LT(compare(lora.at(name), value).max_absolute, 1e-5) << name;
  }
  Trainer trainer(cpu.place("static-lora"), state_of({.lora_rank = 3}), adapted());
  const int64_t compiles = trainer.program().compiles();
  for (int i = 0; i < 3; ++i) trainer.update();
  EXPECT_EQ(trainer.program().compiles(), compiles);
  EXPECT_EQ(trainer.program().compiles_per_update(), 0);
}

}  // namespace
}  // namespace anemone
