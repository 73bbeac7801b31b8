// Frequencies are inv_freq of transformers 5.24.0's LlamaRotaryEmbedding for a head of 16, which it
// computes in fp32, with the settings of each test.
#include "anemone/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace anemone {
namespace {

void expect_frequencies(const Rope& rope, const std::vector<double>& expected) {
  const std::vector<double> frequencies = rope_frequencies(rope, 16);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(frequencies[i] / expected[i], 1, 1e-6) << i;
  }
}

TEST(RopeFrequencies, AreUnchangedWithoutScaling) {
  expect_frequencies(Rope{.theta = 500000},
                     {1, 0.193922758, 0.0376060307, 0.00729266508, 0.00141421345, 0.000274248188,
                      5.31829573e-05, 1.03133852e-05});
}

TEST(RopeFrequencies, AreDividedByAFactor) {
  expect_frequencies(Rope{.scaling = RopeScaling::kLinear, .factor = 4},
                     {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466,
                      0.000250000012, 7.90569466e-05});
}

TEST(RopeFrequencies, AreUnchangedWithinTheModelsPositions) {
  expect_frequencies(Rope{.scaling = RopeScaling::kDynamic, .factor = 4},
                     {1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786,
                      0.00100000005, 0.000316227786});
}

TEST(RopeFrequencies, AreDividedWhereWavesAreLong) {
  expect_frequencies(Rope{.theta = 500000,
                          .scaling = RopeScaling::kLlama3,
                          .factor = 32,
                          .original_positions = 8192},
                     {1, 0.193922758, 0.0376060307, 0.00729266508, 0.000429556705, 8.57025589e-06,
                      1.66196742e-06, 3.22293289e-07});
}

TEST(RopeFrequencies, AreDividedByARampOverPairs) {
  expect_frequencies(Rope{.scaling = RopeScaling::kYarn, .factor = 8, .original_positions = 2048},
                     {1, 0.316227764, 0.100000001, 0.0247052945, 0.00562499976, 0.00108703296,
                      0.000125000006, 3.95284733e-05});
}

TEST(RopeFrequencies, AreRampedBetweenUnroundedPairs) {
  expect_frequencies(Rope{.scaling = RopeScaling::kYarn,
                          .factor = 8,
                          .original_positions = 2048,
                          .beta_fast = 16,
                          .beta_slow = 2,
                          .truncate = false},
                     {1, 0.316227764, 0.100000001, 0.0257716179, 0.00330522214, 0.000395284733,
                      0.000125000006, 3.95284733e-05});
}

TEST(RopeTables, AnglesArePositionsTimesFallingFrequencies) {
  Rope rope;  // head size 4, theta 10000: frequencies 1 and 0.01
  const RopeTables tables = rope_tables(rope, 4, {0, 3, 1});
  EXPECT_EQ(tables.cosine.shape(), (Shape{1, 2, 1, 3}));
  EXPECT_EQ(tables.sine.shape(), (Shape{1, 2, 1, 3}));
  const double cosine[] = {1, -0.9899925, 0.5403023, 1, 0.9995500, 0.9999500};
  const double sine[] = {0, 0.1411200, 0.8414710, 0, 0.0299955, 0.0099998};
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(tables.cosine.at(i), cosine[i], 1e-7) << i;
    EXPECT_NEAR(tables.sine.at(i), sine[i], 1e-7) << i;
  }
  rope.theta = 4;  // 4^(-1/2)
  EXPECT_NEAR(rope_tables(rope, 4, {1}).sine.at(1), 0.4794255, 1e-7);
}

TEST(RopeTables, AYarnFactorScalesBoth) {
  const Rope rope{.scaling = RopeScaling::kYarn,
                  .factor = 4,
                  .original_positions = 16,
                  .attention_factor = 1.5};
  EXPECT_FLOAT_EQ(static_cast<float>(rope_tables(rope, 4, {0}).cosine.at(0)), 1.5f);
}

}  // namespace
}  // namespace anemone
