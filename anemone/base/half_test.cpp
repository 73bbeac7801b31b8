#include "anemone/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace anemone {
namespace {

TEST(Half, EveryBitPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half value{static_cast<uint16_t>(bits)};
    const float wide = to_float(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_float(to_half(wide))));
    } else {
      EXPECT_EQ(to_half(wide).bits, value.bits) << bits;
    }
  }
}

TEST(Half, HasTheValuesOfTheStandard) {
  EXPECT_EQ(to_float(Half{0x3C00}), 1.0f);
  EXPECT_EQ(to_float(Half{0x7BFF}), 65504.0f);
  EXPECT_EQ(to_float(Half{0x0001}), 0x1p-24f);
  EXPECT_EQ(to_half(65519.0f).bits, 0x7BFF);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7C00);
}

TEST(Half, RoundsHalfwayCasesToEven) {
  EXPECT_EQ(to_half(1.0f + 0x1p-11f).bits, 0x3C00);
  EXPECT_EQ(to_half(1.0f + 0x3p-11f).bits, 0x3C02);
  EXPECT_EQ(to_half(0x1p-25f).bits, 0x0000);
  EXPECT_EQ(to_half(0x3p-25f).bits, 0x0002);
}

TEST(BFloat16, RoundsHalfwayCasesToEvenAndKeepsNan) {
  EXPECT_EQ(to_bfloat16(1.0f + 0x1p-8f).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(1.0f + 0x3p-8f).bits, 0x3F82);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace anemone
