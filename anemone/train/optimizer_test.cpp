// Learning rates, the norm of gradients, and updates that torch made too.
#include "anemone/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"

namespace anemone {
namespace {

TEST(Schedule, WarmupReachesTheLearningRateAtItsLastUpdate) {
  const Schedule schedule{Schedule::Kind::kConstant, 0.8, 0, 4, 10};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.at(2), 0.6);
  EXPECT_DOUBLE_EQ(schedule.at(3), 0.8);
  EXPECT_DOUBLE_EQ(schedule.at(4), 0.8);
  EXPECT_DOUBLE_EQ(schedule.at(9), 0.8);
}

TEST(Schedule, CosineFallsFromTheLearningRateToNearTheMinimum) {
  const Schedule schedule{Schedule::Kind::kCosine, 1.0, 0.2, 2, 10};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(1), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(2), 1.0);
  EXPECT_NEAR(schedule.at(6), 0.6, 1e-12);         // half way
  EXPECT_NEAR(schedule.at(9), 0.230448187, 1e-9);  // 0.2 + 0.4 (1 + cos(7 pi / 8))
  for (int64_t step = 2; step < 9; ++step) EXPECT_GT(schedule.at(step), schedule.at(step + 1));
}

TEST(Schedule, WithoutWarmupTheFirstUpdateHasTheFullRate) {
  EXPECT_DOUBLE_EQ((Schedule{Schedule::Kind::kConstant, 0.3, 0, 0, 5}.at(0)), 0.3);
  EXPECT_DOUBLE_EQ((Schedule{Schedule::Kind::kCosine, 0.3, 0.1, 0, 5}.at(0)), 0.3);
}

TEST(Schedule, WarmupMayTakeTheWholeRun) {
  const Schedule schedule{Schedule::Kind::kCosine, 1.0, 0.1, 4, 4};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(3), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(4), 1.0);  // no division by zero behind it
}

class OptimizerTest : public testing::Test {
 protected:
  static std::span<float> floats(Buffer& buffer) { return buffer.map().as<float>(); }

  // gradient[i] of element i at a step, as the torch script has it.
  static float gradient_of(int64_t step, int64_t i) {
    return static_cast<float>((7 * i + 5 * step) % 11 - 5) * 0.25f;
  }

  // Three updates of six elements of a matrix and three of a vector; all else is zero.
  void run_three_updates(const AdamWOptions& options) {
    for (Parameter& parameter : set.all()) {
      std::ranges::fill(floats(*parameter.value), 0.0f);
      std::ranges::fill(floats(*parameter.gradient), 0.0f);
    }
    std::ranges::copy(std::vector<float>{0.5, -1, 2, -0.25, 0.75, 1.5}, matrix().begin());
    std::ranges::copy(std::vector<float>{1, -2, 0.25}, vector().begin());
    const double rates[] = {0.01, 0.02, 0.015}, norms[] = {2.5, 2.3048861143, 2.5248762346};
    for (int64_t step = 0; step < 3; ++step) {
      for (int64_t i = 0; i < 9; ++i) {
        Parameter& parameter = set.find(i < 6 ? kMatrix : kVector);
        floats(*parameter.gradient)[static_cast<size_t>(i < 6 ? i : i - 6)] = gradient_of(step, i);
      }
      const double norm = gradient_norm(set.all(), pool);
      EXPECT_NEAR(norm, norms[step], 1e-6);
      adamw_update(set.all(), pool, options, rates[step], norm, step);
      for (Parameter& parameter : set.all()) {
        for (float value : floats(*parameter.gradient)) ASSERT_EQ(value, 0) << parameter.name;
      }
    }
  }

  static void expect_start(std::span<float> values, const std::vector<double>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-6) << i;
    for (size_t i = expected.size(); i < values.size(); ++i) ASSERT_EQ(values[i], 0) << i;
  }

  static constexpr const char* kMatrix = "model.embed_tokens.weight";
  static constexpr const char* kVector = "model.norm.weight";
  std::span<float> matrix() { return floats(*set.find(kMatrix).value); }
  std::span<float> vector() { return floats(*set.find(kVector).value); }

  ThreadPool pool{2};
  std::unique_ptr<Device> device = make_cpu_device(pool);
  ParameterSet set{*device, tiny_weights(), /*trained=*/true};
};

// torch.optim.AdamW in fp64, betas (0.9, 0.95), weight decay 0.1 for the matrix and 0 for the
// vector.
TEST_F(OptimizerTest, ThreeUpdatesWithoutClippingAreTorchs) {
  AdamWOptions options;
  options.clip = 0;
  run_three_updates(options);
  expect_start(matrix(),
               {0.51998314, -0.996156602, 1.99995708, -0.279800853, 0.755425288, 1.51431594});
  expect_start(vector(), {0.976679918, -2.02127601, 0.28029209});
}

TEST_F(OptimizerTest, ThreeUpdatesWithClippingAreTorchs) {
  run_three_updates({});  // clips to 1
  expect_start(matrix(),
               {0.520043574, -0.995085047, 1.99862796, -0.279362857, 0.755799301, 1.51316617});
  expect_start(vector(), {0.977727847, -2.02146254, 0.279791407});
}

TEST_F(OptimizerTest, ANormBelowTheLimitIsNotScaled) {
  AdamWOptions off, far;
  off.clip = 0;
  far.clip = 100;
  run_three_updates(off);
  const std::vector<float> expected(matrix().begin(), matrix().end());
  ParameterSet fresh(*device, tiny_weights(), /*trained=*/true);
  std::swap(set, fresh);
  run_three_updates(far);
  EXPECT_EQ(std::vector<float>(matrix().begin(), matrix().end()), expected);
}

TEST_F(OptimizerTest, NormIsTheRootOfTheSumOfSquaresWhateverTheThreads) {
  ModelWeights weights{tiny_weights().config, {}};
  weights.config.vocab_size = 5001;  // several chunks, the last one odd
  ParameterSet large(*device, initial_weights(weights.config, 1), /*trained=*/true);
  Random random(8);
  double sum = 0;
  for (Parameter& parameter : large.all()) {
    for (float& value : floats(*parameter.gradient)) {
      value = static_cast<float>(random.normal());
      sum += double{value} * value;
    }
  }
  ThreadPool one(1), three(3);
  const double norm = gradient_norm(large.all(), one);
  EXPECT_NEAR(norm / std::sqrt(sum), 1, 1e-6);
  EXPECT_EQ(gradient_norm(large.all(), pool), norm);
  EXPECT_EQ(gradient_norm(large.all(), three), norm);
}

}  // namespace
}  // namespace anemone
