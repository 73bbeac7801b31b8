#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/op_def.h"
#include "anemone/ops/verify.h"
#include "anemone/passes/passes.h"
#include "anemone/testing/op_testing.h"
#include "anemone/text/parser.h"

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

// int4 numbers scaled by blocks, where a mask has ones: three operations in a row.
constexpr const char* kNested =
    "func main<ios18>(tensor<fp16, [2, 2]> x) { tensor<uint1, [2, 2]> m, tensor<fp16, [2]> d = "
    "constexpr_lut_to_sparse(indices_mask = tensor<uint1, [2, 2]>([0, 1, 1, 0]), "
    "indices_nonzero_data = tensor<uint1, [2]>([1, 0]), lut = tensor<fp16, [1, 1, 2, 1]>([3, 5])); "
    "tensor<fp16, [2, 2]> w = constexpr_sparse_to_dense(mask = m, nonzero_data = d); tensor<int4, "
    "[2, 2]> q = const()[val = tensor<int4, [2, 2]>([-8, 7, 1, 2])]; tensor<fp16, [2, 2]> v = "
    "constexpr_blockwise_shift_scale(data = q, scale = tensor<fp16, [2, 1]>([0.5, 2])); "
    "tensor<fp16, [2, 2]> s = add(x = x, y = w); tensor<fp16, [2, 2]> y = add(x = s, y = v); } -> "
    "(y);";

TEST(UnpackWeights, UnpacksNestedOnesInOrder) {
  Function function = std::move(parse_mil(kNested).functions.front());
  ASSERT_TRUE(verify(function).empty());
  EXPECT_TRUE(unpack_weights(function));
  EXPECT_TRUE(verify(function).empty());
  for (const auto& op : function.operations) EXPECT_FALSE(op->type.starts_with("constexpr_"));
  EXPECT_THAT(values(*constant_of(function.find("w"))->tensor), ElementsAre(0, 5, 3, 0));
  EXPECT_THAT(values(*constant_of(function.find("v"))->tensor), ElementsAre(-4, 3.5, 2, 4));
  const NamedTensors out = evaluate(function, [] {
    NamedTensors inputs;
    inputs["x"] = Tensor(DType::kFp16, {2, 2});
    return inputs;
  }());
  EXPECT_THAT(values(out.at("y")), ElementsAre(-4, 8.5, 5, 4));
}

TEST(StoredBytes, AreThoseOfThePackedNumbers) {
  const Function function = std::move(parse_mil(kNested).functions.front());
  std::vector<double> bytes;
  for (const auto& op : function.operations) bytes.push_back(stored_bytes(*op));
  // Four bits of a mask, two of indices, two fp16 numbers; nothing; four int4; two fp16.
  EXPECT_THAT(bytes, ElementsAre(1 + 1 + 4, 0, 2, 4, 0, 0));
}

TEST(ToFp16, LeavesNothingOfConstexprCast) {
  Function function =
      std::move(parse_mil("func main<ios16>(tensor<fp32, [1]> x) { tensor<fp32, [1]> w = "
                          "constexpr_cast()[source_val = tensor<fp16, [1]>([3]), output_dtype = "
                          "string(\"fp32\")]; tensor<fp32, [1]> y = add(x = x, y = w); } -> (y);")
                    .functions.front());
  to_fp16(function);
  EXPECT_TRUE(verify(function).empty());
  EXPECT_THAT(values(*constant_of(function.find("w"))->tensor), ElementsAre(3));
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
