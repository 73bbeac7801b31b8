#include "anemone/train/loss_scale.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

TEST(LossScale, AGoodUpdateGoesAheadAndManyInARowDoubleTheScale) {
  LossScale scale = LossScale::automatic();
  const double first = scale.scale;
  for (int64_t i = 1; i < LossScale::kInterval; ++i) EXPECT_TRUE(scale.update(true));
  EXPECT_EQ(scale.scale, first);
  EXPECT_TRUE(scale.update(true));
  EXPECT_EQ(scale.scale, 2 * first);
}

TEST(LossScale, ABadUpdateIsSkippedCountedAndHalvesTheScale) {
  LossScale scale = LossScale::automatic();
  scale.good = LossScale::kInterval - 1;
  EXPECT_FALSE(scale.update(false));
  EXPECT_EQ(scale.scale, LossScale::kFirst / 2);
  EXPECT_EQ(scale.skipped, 1);
  scale.update(true);
  EXPECT_EQ(scale.scale, LossScale::kFirst / 2) << "the row of good updates begins again";
}

TEST(LossScale, StaysWithinItsBounds) {
  LossScale scale{LossScale::kLeast, true, 0, 0};
  scale.update(false);
  EXPECT_EQ(scale.scale, LossScale::kLeast);
  scale = {LossScale::kMost, true, LossScale::kInterval - 1, 0};
  scale.update(true);
  EXPECT_EQ(scale.scale, LossScale::kMost);
}

TEST(LossScale, AFixedOneNeverChanges) {
  LossScale scale = LossScale::fixed(128);
  EXPECT_FALSE(scale.update(false));
  for (int64_t i = 0; i < LossScale::kInterval; ++i) scale.update(true);
  EXPECT_EQ(scale.scale, 128);
}

}  // namespace
}  // namespace anemone
