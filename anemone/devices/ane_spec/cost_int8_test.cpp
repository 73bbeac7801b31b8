// What int8 weights and activations save in the cost model.
#include <gtest/gtest.h>

#include "anemone/devices/ane_spec/cost_layer.h"
#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

constexpr DType kHalf = DType::kFp16;

// Figures that make times which can be computed by hand.
Chip plain_chip() {
  Chip chip = find_chip("m4-max");
  EngineFigures& engine = chip.engine;
  engine.peak_tflops.value = 10;
  engine.dispatch_us.value = engine.floor_us.value = 100;
  engine.layer_us.value = 1;
  engine.resident_mb.value = 2;
  engine.chain_gbs.value = 200;
  engine.stream_gbs.value = 100;
  engine.stream_start_us.value = 0;
  engine.int8_weight_gain.value = 2;
  engine.int8_arithmetic_gain.value = 1.5;
  engine.onchip_gbs.value = 1000;
  engine.working_set_mb.value = 1000;
  return chip;
}

Value packed(Builder& b, int64_t channels) {
  Literal quantized;  // a file's: no test holds the numbers
  quantized.type = Type::tensor(DType::kInt8, {channels, channels, 1, 1});
  quantized.blob = BlobRef{"@model_path/weights/weight.bin", 64};
  return b.constexpr_affine_dequantize(quantized, Tensor(kHalf, {channels}), 0);
}

// conv(x) with int8 weights; `activations` quantizes before and after it too.
ProgramTime conv_time(const Chip& chip, int64_t channels, int64_t spatial, bool activations) {
  Function function("main", "ios18");
  Builder b(function);
  Value x = b.input("x", kHalf, {1, channels, 1, spatial});
  if (activations) x = b.dequantize(b.quantize(x, 0.1), kHalf, 0.1);
  Value y = b.conv1x1(x, packed(b, channels));
  if (activations) y = b.dequantize(b.quantize(y, 0.1), kHalf, 0.1);
  b.output("y", activations ? b.unary("relu", y) : y);
  return predict(function, chip);
}

const OpTime& conv_of(const ProgramTime& time) {
  const OpTime* longest = &time.ops[0];
  for (const OpTime& op : time.ops) {
    if (op.flops > longest->flops) longest = &op;
  }
  return *longest;
}

TEST(CostOfInt8, WeightsMoveHalfTheBytes) {
  // 4096 x 4096 weights of a byte at 100 GB/s, not aliased
  Chip chip = plain_chip();
  chip.engine.alias_factor.value = 1;
  const ProgramTime time = conv_time(chip, 4096, 16, false);
  EXPECT_NEAR(conv_of(time).us, 1 + 4096 * 4096 / 100e3, 1e-9);
  EXPECT_EQ(conv_of(time).bound, Bound::kWeights);
  EXPECT_NEAR(time.weight_bytes, 4096 * 4096 + 2 * 4096 + 1 + 4, 100);
}

TEST(CostOfInt8, WeightsThatAreUnfoldedGainNothing) {
  Chip chip = plain_chip();
  chip.engine.alias_factor.value = chip.engine.int8_weight_gain.value = 1;
  EXPECT_NEAR(conv_of(conv_time(chip, 4096, 16, false)).us, 1 + 2 * 4096 * 4096 / 100e3, 1e-9);
}

TEST(CostOfInt8, SmallerWeightsMayStayResident) {
  // 1200 x 1200: 2.88 MB in fp16 would be streamed
  EXPECT_NEAR(conv_of(conv_time(plain_chip(), 1200, 1, false)).us, 1 + 1200 * 1200 / 200e3, 1e-9);
}

TEST(CostOfInt8, ArithmeticIsFasterOnlyWhereActivationsAreInt8Too) {
  const double flops = 2.0 * 512 * 512 * 4096;
  EXPECT_NEAR(conv_of(conv_time(plain_chip(), 512, 4096, false)).us, 1 + flops / 10e6, 1e-6);
  EXPECT_NEAR(conv_of(conv_time(plain_chip(), 512, 4096, true)).us, 1 + flops / 15e6, 1e-6);
}

TEST(CostOfInt8, QuantizationBesideAProductIsPartOfIt) {
  const ProgramTime time = conv_time(plain_chip(), 512, 4096, true);
  // The first quantize reads an input and the last dequantize feeds a relu: those take time.
  ASSERT_EQ(time.ops.size(), 4);
  EXPECT_EQ(conv_of(time).activation_bytes, 2 * 512 * 4096);  // a byte in, a byte out
}

TEST(CostOfInt8, ActivationsGainNothingWhereTheArithmeticDoesNot) {
  Chip chip = plain_chip();
  chip.engine.int8_arithmetic_gain.value = 1;
  const ProgramTime time = conv_time(chip, 512, 4096, true);
  EXPECT_EQ(conv_of(time).activation_bytes, 2 * 2 * 512 * 4096);
  EXPECT_EQ(conv_of(time).us, conv_of(conv_time(chip, 512, 4096, false)).us);
}

TEST(CostOfInt8, ChipsSayWhatIsKnownOfTheirGains) {
  EXPECT_EQ(find_chip("m1-max").engine.int8_weight_gain.value, 1);
  EXPECT_EQ(find_chip("m2").engine.int8_weight_gain.value, 2);
  EXPECT_EQ(find_chip("m5").engine.int8_weight_gain.value, 1);
  EXPECT_EQ(find_chip("m3-ultra").engine.int8_arithmetic_gain.value, 1);
  EXPECT_EQ(find_chip("m4").engine.int8_arithmetic_gain.grade, Grade::kMeasured);
  EXPECT_EQ(find_chip("m4-max").engine.int8_arithmetic_gain.grade, Grade::kInferred);
  EXPECT_EQ(find_chip("m5-max").engine.int8_arithmetic_gain.value, 1.85);
}

}  // namespace
}  // namespace anemone
