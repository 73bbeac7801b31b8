// The loop on a tiny model: accumulation, validation, going on after a checkpoint, divergence.
#include "anemone/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/cpu/testing/library_allocates.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/allocation_counter.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kSequence = 4;

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    write_shard("data.bin", 61, 1);
    write_shard("valid.bin", 14, 2);
  }

  void write_shard(const char* name, int tokens, uint64_t seed) {
    Random random(seed);
    std::string bytes;
    for (int i = 0; i < tokens; ++i) {
      bytes += static_cast<char>(random.below(12));
      bytes += '\0';
    }
    write_file(directory / name, bytes);
  }

  TrainOptions options() {
    TrainOptions o;
    o.data = (directory / "data.bin").string();
    o.order = Order::kSequential;
    o.steps = 5;
    o.batch = 1;
    o.sequence = kSequence;
    o.learning_rate = 1e-2;
    return o;
  }

  std::unique_ptr<Trainer> trainer(const TrainOptions& options) {
    TrainerState state;
    state.options = options;
    return trainer(state, initial_weights(tiny_weights().config, 5));
  }
  std::unique_ptr<Trainer> trainer(const TrainerState& state, ModelWeights weights) {
    return std::make_unique<Trainer>(TrainingPlace{*device, *device, pool, find_pipeline("host")},
                                     state, std::move(weights));
  }

  std::string error_of(const TrainOptions& options) {
    try {
      trainer(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static void expect_same_bits(Trainer& a, Trainer& b) {
    const ModelView expected = b.parameters().weights();
    for (const auto& [name, tensor] : a.parameters().weights().tensors) {
      EXPECT_EQ(std::memcmp(tensor.data, expected.tensors.at(name).data, tensor.bytes()), 0)
          << name;
    }
  }

  TestDirectory directory;
  ThreadPool pool{2};
  std::unique_ptr<Device> device = make_cpu_device(pool);
};

TEST_F(TrainerTest, AfterTheFirstUpdatesNoMemoryIsAskedFor) {
  if (library_allocates()) GTEST_SKIP() << "the GEMM library of this system asks for memory";
  for (const bool bf16 : {false, true}) {
    const auto cpu = make_cpu_device(pool, {.bf16 = bf16});
    Timeline timeline;
    TrainerState state;
    state.options = options();
    state.options.steps = 8;
    Trainer t({*cpu, *cpu, pool, find_pipeline("host"), &timeline}, state,
              initial_weights(tiny_weights().config, 5));
    for (int i = 0; i < 3; ++i) t.update();
    const size_t before = allocations();
    for (int i = 0; i < 3; ++i) t.update();
    EXPECT_EQ(allocations() - before, 0u) << (bf16 ? "bf16" : "fp32");
  }
}

TEST_F(TrainerTest, TwoMicroStepsOfOneRowAreOneOfTwoRows) {
  TrainOptions accumulated = options(), whole = options();
  accumulated.accumulation = 2;
  whole.batch = 2;
  // Gradients that are only rounding must not become steps of their own.
  accumulated.optimizer.epsilon = whole.optimizer.epsilon = 1e-4;
  const auto a = trainer(accumulated), b = trainer(whole);
  for (int step = 1; step <= 3; ++step) {
    const UpdateMetrics x = a->update(), y = b->update();
    EXPECT_NEAR(x.loss, y.loss, 1e-5);
    EXPECT_NEAR(x.gradient_norm, y.gradient_norm, 1e-5);
    EXPECT_EQ(x.tokens, 8);
    EXPECT_EQ(x.step, step);
  }
  const ModelView expected = b->parameters().weights();
  for (const auto& [name, tensor] : a->parameters().weights().tensors) {
    EXPECT_LT(compare(tensor, expected.tensors.at(name)).max_absolute, 1e-5) << name;
  }
}

TEST_F(TrainerTest, ANewModelGuessesUniformlyAndTrainingLowersTheLoss) {
  TrainOptions o = options();
  o.steps = 60;
  o.batch = 3;
  o.sequence = 5;  // 4 blocks of 15 tokens
  const auto t = trainer(o);
  const double first = t->update().loss;
  EXPECT_NEAR(first, std::log(12), 0.3);
  double last = 0;
  while (!t->done()) last = t->update().loss;
  EXPECT_LT(last, 0.7 * first);
  EXPECT_EQ(t->state().step, 60);
}

TEST_F(TrainerTest, ValidatesEveryNUpdatesAndAtTheEnd) {
  TrainOptions o = options();
  o.validation = (directory / "valid.bin").string();
  const auto validated = [&](int64_t every) {
    o.eval_every = every;
    std::vector<int64_t> steps;
    for (const auto t = trainer(o); !t->done();) {
      const UpdateMetrics metrics = t->update();
      if (metrics.validation_loss) steps.push_back(metrics.step);
    }
    return steps;
  };
  EXPECT_THAT(validated(2), ElementsAre(2, 4, 5));
  EXPECT_THAT(validated(0), ElementsAre(5));
  o.validation.clear();
  EXPECT_THAT(validated(2), ElementsAre());
}

// 14 tokens are 3 windows of 4; sequential updates of one row see the same windows.
TEST_F(TrainerTest, ValidationLossIsTheMeanOverTheFirstWindows) {
  TrainOptions o = options();
  o.data = o.validation = (directory / "valid.bin").string();
  o.learning_rate = 0;
  for (const auto& [asked, windows] : {std::pair{1, 1}, {2, 2}, {3, 3}, {32, 3}}) {
    o.eval_windows = asked;
    const auto t = trainer(o);
    double sum = 0;
    for (int w = 0; w < windows; ++w) sum += t->update().loss;
    EXPECT_NEAR(t->validation_loss(), sum / windows, 1e-6) << asked;
  }
}

TEST_F(TrainerTest, AfterACheckpointTheNextUpdatesAreTheSameBitForBit) {
  for (Order order : {Order::kRandom, Order::kSequential}) {
    TrainOptions o = options();
    o.order = order;
    o.accumulation = 2;
    o.schedule = Schedule::Kind::kCosine;
    o.warmup = 1;
    const auto straight = trainer(o);
    for (int i = 0; i < 2; ++i) straight->update();
    straight->save(directory.path());

    const auto checkpoint = resolve_checkpoint(directory.path());
    EXPECT_EQ(checkpoint.filename(), "step-00000002");
    const auto resumed =
        trainer(read_trainer_state(checkpoint), read_checkpoint_weights(checkpoint));
    resumed->restore(checkpoint);
    EXPECT_EQ(resumed->state().step, 2);
    expect_same_bits(*resumed, *straight);
    while (!straight->done()) {
      const UpdateMetrics expected = straight->update(), metrics = resumed->update();
      EXPECT_EQ(metrics.step, expected.step);
      EXPECT_EQ(metrics.loss, expected.loss);
      EXPECT_EQ(metrics.gradient_norm, expected.gradient_norm);
      EXPECT_EQ(metrics.learning_rate, expected.learning_rate);
    }
    EXPECT_TRUE(resumed->done());
    expect_same_bits(*resumed, *straight);
  }
}

TEST_F(TrainerTest, ADivergingRunIsAnErrorThatNamesTheUpdate) {
  TrainOptions o = options();
  o.learning_rate = 1e29;
  const auto t = trainer(o);
  t->update();
  try {
    t->update();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "update 2");
    EXPECT_THAT(error.message(), HasSubstr("diverged"));
  }
  EXPECT_EQ(t->state().step, 1);
}

TEST_F(TrainerTest, DataThatDoNotFitTheModelAreRefused) {
  TrainOptions o = options();
  o.sequence = 11;
  EXPECT_THAT(error_of(o), HasSubstr("--seq: 11 tokens are more than the model's 10 positions"));
  o = options();
  o.batch = 16;
  EXPECT_THAT(error_of(o), HasSubstr("has 61 tokens, fewer than the 65"));
  write_file(directory / "foreign.bin", std::string("\1\0\14\0\1\0\1\0\1\0\1\0", 12));
  o = options();
  o.data = (directory / "foreign.bin").string();
  EXPECT_THAT(error_of(o), HasSubstr("token 1: id 12 is outside the vocabulary of 12"));
}

}  // namespace
}  // namespace anemone
