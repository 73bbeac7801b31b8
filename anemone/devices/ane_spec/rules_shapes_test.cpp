// Rules on shapes and windows: the last size that passes and the first that does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/ane_spec/testing/rule_testing.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// --- shapes ---

TEST(Rules, C10ConvHasAtMost16384InputChannelsButManyOutputs) {
  EXPECT_THAT(
      broken(4, conv({.x = {1, 32000, 1, 16}, .weight = {8, 32000, 1, 1}, .y = {1, 8, 1, 16}})),
      ElementsAre(10));
  EXPECT_THAT(
      broken(4, conv({.x = {1, 8, 1, 16}, .weight = {32000, 8, 1, 1}, .y = {1, 32000, 1, 16}})),
      IsEmpty());
}

TEST(Rules, C11WidthEndsAt16384UpToM3AndAt65536After) {
  const auto relu = [](const Shape& shape) { return one_op({shape}, shape, "relu(x = a)"); };
  for (const int chip : {1, 2, 3}) {
    EXPECT_THAT(broken(chip, relu({1, 8, 1, 16384})), IsEmpty());
    EXPECT_THAT(broken(chip, relu({1, 8, 1, 16400})), ElementsAre(11));
    EXPECT_THAT(broken(chip, relu({1, 8, 16400, 1})), ElementsAre(11));
    EXPECT_THAT(broken(chip, relu({1, 65536, 1, 16})), IsEmpty());
  }
  EXPECT_THAT(broken(4, relu({1, 8, 1, 65536})), IsEmpty());
  EXPECT_EQ(first_message(4, relu({1, 65552, 1, 16})),
            "'a' [1, 65552, 1, 16] has channels 65552, more than 65536");
}

TEST(Rules, C11AHeadOf151936WordsIsSplitIntoSixteen) {
  EXPECT_THAT(
      broken(4, conv({.x = {1, 64, 1, 16}, .weight = {151936, 64, 1, 1}, .y = {1, 151936, 1, 16}})),
      ElementsAre(11));
  EXPECT_THAT(
      broken(1, conv({.x = {1, 64, 1, 16}, .weight = {9496, 64, 1, 1}, .y = {1, 9496, 1, 16}})),
      IsEmpty());
}

TEST(Rules, C30TokensComeInMultiplesOf16) {
  const auto tokens = [](int64_t count) {
    return conv({.x = {1, 8, 1, count}, .weight = {4, 8, 1, 1}, .y = {1, 4, 1, count}});
  };
  for (const int64_t count : {1, 8, 24}) EXPECT_THAT(broken(4, tokens(count)), ElementsAre(30));
  for (const int64_t count : {16, 48}) EXPECT_THAT(broken(4, tokens(count)), IsEmpty());
  EXPECT_THAT(broken(4, conv({.x = {1, 8, 7, 7}, .weight = {4, 8, 1, 1}, .y = {1, 4, 7, 7}})),
              IsEmpty());
}

TEST(Rules, C57FlattenedAxesEndAt65536) {
  const auto flatten = [](int64_t rows) {
    return one_op({{8, rows, 128}}, {8, rows * 128},
                  "reshape(x = a, shape = " + ints({8, rows * 128}) + ")");
  };
  EXPECT_THAT(broken(5, flatten(513)), ElementsAre(57));
  EXPECT_THAT(broken(5, flatten(512)), IsEmpty());
  EXPECT_THAT(broken(3, flatten(512)), ElementsAre(11));
}

TEST(Rules, C61RankIsAtMost5) {
  const auto relu = [](const Shape& shape) { return one_op({shape}, shape, "relu(x = a)"); };
  EXPECT_THAT(broken(5, relu({1, 2, 2, 2, 2, 32})), ElementsAre(61, 61));
  EXPECT_THAT(broken(5, relu({2, 2, 2, 2, 32})), IsEmpty());
}

// --- windows ---

TEST(Rules, C12KernelWidthEndsAt13UpToM3AndAt15AfterWhileHeightIsFree) {
  const auto kernel = [](int64_t height, int64_t width) {
    return conv({.x = {1, 4, 32, 32},
                 .weight = {4, 4, height, width},
                 .y = {1, 4, 33 - height, 33 - width}});
  };
  for (const int chip : {1, 2, 3}) {
    EXPECT_THAT(broken(chip, kernel(3, 13)), IsEmpty());
    EXPECT_THAT(broken(chip, kernel(3, 14)), ElementsAre(12));
  }
  EXPECT_THAT(broken(4, kernel(3, 15)), IsEmpty());
  EXPECT_THAT(broken(4, kernel(3, 16)), ElementsAre(12));
  EXPECT_THAT(broken(1, kernel(29, 3)), IsEmpty());
}

TEST(Rules, C51PoolingWindowsEndAt29OnM1AndAt31After) {
  const auto pool = [](int64_t size) {
    return one_op({{1, 4, 40, 40}}, {1, 4, 41 - size, 41 - size},
                  "max_pool(x = a, kernel_sizes = " + ints({size, size}) + ", strides = " +
                      ints({1, 1}) + ", pad_type = string(\"valid\"), pad = " + ints({0, 0, 0, 0}) +
                      ", ceil_mode = bool(false))");
  };
  EXPECT_THAT(broken(1, pool(29)), IsEmpty());
  EXPECT_THAT(broken(1, pool(30)), ElementsAre(51));
  EXPECT_THAT(broken(2, pool(31)), IsEmpty());
  EXPECT_THAT(broken(5, pool(32)), ElementsAre(51));
}

Function conv3x3(int64_t size, const std::string& more) {
  return conv({.x = {1, 8, 40, 40}, .weight = {8, 8, 3, 3}, .y = {1, 8, size, size}, .more = more});
}

TEST(Rules, C54StridesAndDilationsEndAt8) {
  EXPECT_THAT(broken(4, conv3x3(5, ", strides = " + ints({8, 8}))), IsEmpty());
  EXPECT_THAT(broken(4, conv3x3(5, ", strides = " + ints({9, 9}))), ElementsAre(54));
  EXPECT_THAT(broken(4, conv3x3(24, ", dilations = " + ints({8, 8}))), IsEmpty());
  EXPECT_THAT(broken(4, conv3x3(22, ", dilations = " + ints({9, 9}))), ElementsAre(54));
}

TEST(Rules, C55CustomPaddingEndsAt16) {
  const auto pad = [](int64_t amount) {
    return conv3x3(38 + 2 * amount, ", pad_type = string(\"custom\"), pad = " +
                                        ints({amount, amount, amount, amount}));
  };
  EXPECT_THAT(broken(4, pad(16)), IsEmpty());
  EXPECT_THAT(broken(4, pad(17)), ElementsAre(55));
}

TEST(Rules, C56ManyGroupsAreSlow) {
  const auto grouped = [](int64_t groups) {
    return conv({.x = {1, 24, 8, 8},
                 .weight = {24, 24 / groups, 3, 3},
                 .y = {1, 24, 6, 6},
                 .more = ", groups = int32(" + std::to_string(groups) + ")"});
  };
  for (const int64_t groups : {1, 2, 4}) EXPECT_THAT(broken(4, grouped(groups)), IsEmpty());
  for (const int64_t groups : {3, 8, 24}) EXPECT_THAT(broken(4, grouped(groups)), ElementsAre(56));
}

}  // namespace
}  // namespace anemone
