#include "anemone/base/arithmetic.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

TEST(Arithmetic, RemainderIsExactAndOfTheDivisorsSign) {
  EXPECT_EQ(floored_remainder(1.0f, 0.1f), 0.09999999f);  // numpy 2: 1 - 9 * 0.1f
  EXPECT_EQ(floored_remainder(1e10f, 3.0f), 1.0f);
  EXPECT_EQ(floored_remainder(-7.0, 3.0), 2.0);
  EXPECT_EQ(floored_remainder(7.0, -3.0), -2.0);
  EXPECT_EQ(floored_remainder(-7, 3), 2);
  EXPECT_EQ(floored_remainder(7, -3), -2);
  EXPECT_EQ(floored_remainder(5, 0), 0);
  EXPECT_EQ(floored_remainder(INT32_MIN, -1), 0);
}

TEST(Arithmetic, QuotientIsTheFloorOfTheExactOne) {
  EXPECT_EQ(floored_quotient(1.0f, 0.1f), 9.0f);  // 1 / 0.1f rounds to 10
  EXPECT_EQ(floored_quotient(-1.0f, 0.1f), -10.0f);
  EXPECT_EQ(floored_quotient(-1e-40f, 1e30f), -1.0f);  // the quotient underflows
  EXPECT_EQ(floored_quotient(1e30f, 1e-20f), INFINITY);
  EXPECT_EQ(floored_quotient(-7, 2), -4);
  EXPECT_EQ(floored_quotient(INT32_MIN, -1), INT32_MIN);  // wraps
}

TEST(Arithmetic, LargeQuotientIsRoundedOnce) {
  // The floor is 18894729 (Python's integers), in the middle of two floats, and the even one wins;
  // the quotient with its fraction is nearer to the other.
  EXPECT_EQ(floored_quotient(201094059786240.0f, 10642865.0f), 18894728.0f);
  EXPECT_EQ(201094059786240.0f / 10642865.0f, 18894730.0f);
}

TEST(Arithmetic, IntegerPowersWrapAndNegativeOnesRoundTowardZero) {
  EXPECT_EQ(integer_power(50, 6), -1554869184);  // 50^6 mod 2^32, as numpy
  EXPECT_EQ(integer_power(3, 20), -808182895);
  EXPECT_EQ(integer_power(2, 31), INT32_MIN);
  EXPECT_EQ(integer_power(-3, 21), -1870418611);
  EXPECT_EQ(integer_power(0, 0), 1);
  EXPECT_EQ(integer_power(0, -1), 0);
  EXPECT_EQ(integer_power(2, -1), 0);
  EXPECT_EQ(integer_power(1, -5), 1);
  EXPECT_EQ(integer_power(-1, -5), -1);
  EXPECT_EQ(integer_power(-1, INT32_MIN), 1);
}

TEST(Arithmetic, RealNumbersWrapIntoIntegers) {
  EXPECT_EQ(wrap_to<uint8_t>(300.7), 44);
  EXPECT_EQ(wrap_to<uint8_t>(-1.5), 255);
  EXPECT_EQ(wrap_to<int32_t>(0x1p31), INT32_MIN);
  EXPECT_EQ(wrap_to<uint64_t>(0x1p63), uint64_t{1} << 63);
  EXPECT_EQ(wrap_to<int64_t>(-0x1p64 - 0x1p12), -4096);
  EXPECT_EQ(wrap_to<int32_t>(NAN), 0);
  EXPECT_EQ(wrap_to<int32_t>(INFINITY), 0);
}

}  // namespace
}  // namespace anemone
