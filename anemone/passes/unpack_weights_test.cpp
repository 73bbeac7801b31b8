#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/verify.h"
#include "anemone/passes/passes.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Packed {
  Function function{"main", "ios18"};
  Builder b{function};

  // y = x + w with w packed, the fp16 scale of one number.
  explicit Packed(Literal quantized) {
    const Value x = b.input("x", DType::kFp16, quantized.type.shape);
    Tensor scale(DType::kFp16, {});
    scale.view().set(0, 0.5);
    const Value w = b.named("w", b.constexpr_affine_dequantize(quantized, std::move(scale), 0));
    b.output("y", b.add(x, w));
  }
};

TEST(UnpackWeights, MakesConstantsOfThemInPlace) {
  Packed packed(Literal::of(Tensor::of<int8_t>({2}, {3, -4})));
  const Operation* op = packed.function.find("w")->producer;
  EXPECT_TRUE(unpack_weights(packed.function));
  EXPECT_EQ(packed.function.find("w")->producer, op);
  ASSERT_NE(constant_of(packed.function.find("w")), nullptr);
  EXPECT_THAT(values(*constant_of(packed.function.find("w"))->tensor), ElementsAre(1.5, -2));
  EXPECT_TRUE(verify(packed.function).empty());
  EXPECT_FALSE(unpack_weights(packed.function));
}

TEST(UnpackWeights, SaysWhichNumbersAreNotLoaded) {
  Literal file;
  file.type = Type::tensor(DType::kInt8, {2});
  file.blob = BlobRef{"@model_path/weights/weight.bin", 64};
  Packed packed(file);
  EXPECT_THAT(error_of([&] { unpack_weights(packed.function); }),
              HasSubstr("'quantized_data' are in a weight file that is not loaded"));
}

TEST(FoldConstants, LeavesPackedWeightsPacked) {
  Packed packed(Literal::of(Tensor::of<int8_t>({2}, {3, -4})));
  fold_constants(packed.function);
  EXPECT_EQ(packed.function.find("w")->producer->type, "constexpr_affine_dequantize");
}

TEST(ToFp16, NarrowsTheScalesOfPackedWeights) {
  Function function("main", "ios18");
  Builder b(function);
  const Value x = b.input("x", DType::kFp32, {1});
  const Value w = b.constexpr_affine_dequantize(Literal::of(Tensor::of<int8_t>({1}, {3})),
                                                Tensor::of<float>({1}, {0.5f}), 0);
  b.output("y", b.add(x, w));
  to_fp16(function);
  EXPECT_TRUE(verify(function).empty());
}

}  // namespace
}  // namespace anemone
