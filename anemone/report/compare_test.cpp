#include "anemone/report/compare.h"

#include <gtest/gtest.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

BenchResult result_of(double ms, double p10, double p90) {
  BenchResult result;
  result.benchmark = "sram";
  result.device = "cpu";
  result.rows = {{{"channels", 512}, {"spatial", 64}, {"ms", ms}, {"p10", p10}, {"p90", p90}}};
  return result;
}

TEST(Compare, ASlowerRowBeyondTheNoiseIsWorse) {
  EXPECT_TRUE(compare(result_of(1, 0.99, 1.01), result_of(1.2, 1.19, 1.21), 0.05).worse());
  EXPECT_FALSE(compare(result_of(1, 0.99, 1.01), result_of(0.8, 0.79, 0.81), 0.05).worse());
}

TEST(Compare, WithinTheNoiseNothingIsSaid) {
  EXPECT_FALSE(compare(result_of(1, 0.8, 1.3), result_of(1.2, 1.1, 1.3), 0.05).worse());
  EXPECT_FALSE(compare(result_of(1, 1, 1), result_of(1.04, 1.04, 1.04), 0.05).worse());
}

TEST(Compare, OfSharesTheHigherIsTheBetter) {
  BenchResult before = result_of(1, 1, 1), after = result_of(9, 9, 9);
  before.rows[0]["peak_share"] = 0.8;
  after.rows[0]["peak_share"] = 0.7;
  const Comparison comparison = compare(before, after, 0.05);
  ASSERT_EQ(comparison.rows.size(), 1u);  // times of different machines say nothing beside it
  EXPECT_TRUE(comparison.worse());
  EXPECT_FALSE(compare(after, before, 0.05).worse());
}

TEST(Compare, OneMicroStepIsWhatResultsWithoutANumberHave) {
  const BenchResult before = result_of(1, 1, 1);
  BenchResult after = result_of(1, 1, 1);
  after.rows[0]["accum"] = 1;
  EXPECT_FALSE(compare(before, after, 0.05).worse());
  after.rows[0]["accum"] = 4;
  EXPECT_THROW(compare(before, after, 0.05), Error);
}

TEST(Compare, OtherBenchmarksAndDevicesAreRefused) {
  BenchResult other = result_of(1, 1, 1);
  other.device = "ane";
  EXPECT_THROW(compare(result_of(1, 1, 1), other, 0.05), Error);
  other = result_of(1, 1, 1);
  other.rows[0]["channels"] = 99;
  EXPECT_THROW(compare(result_of(1, 1, 1), other, 0.05), Error);
}

}  // namespace
}  // namespace anemone
