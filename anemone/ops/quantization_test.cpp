#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/ops/verify.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// quantize with scale and zero point of any shape; an axis of kNone is left out.
constexpr int64_t kNone = 99;

struct Grid {
  std::vector<double> scale = {1};
  std::vector<int8_t> zero_point = {};
  int64_t axis = kNone;
  const char* dtype = "int8";
};

Tensor one_or_many(const std::vector<double>& numbers, DType dtype) {
  const Shape shape = numbers.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(numbers.size())};
  return Tensor::of<double>(shape, numbers).cast(dtype);
}

std::vector<Argument> arguments(Builder& b, Value x, const Grid& grid, DType scale, DType stored) {
  std::vector<Argument> list = {{"input", x},
                                {"scale", b.constant(one_or_many(grid.scale, scale))}};
  if (!grid.zero_point.empty()) {
    const std::vector<double> zeros(grid.zero_point.begin(), grid.zero_point.end());
    list.push_back({"zero_point", b.constant(one_or_many(zeros, stored))});
  }
  if (grid.axis != kNone) list.push_back({"axis", b.integer(grid.axis)});
  return list;
}

BuildOne quantize(const Grid& grid) {
  return [=](Builder& b, const auto& v) {
    const DType stored = grid.dtype == std::string("uint8") ? DType::kUInt8 : DType::kInt8;
    std::vector<Argument> list = arguments(b, v[0], grid, v[0]->type.dtype, stored);
    list.push_back({"output_dtype", b.text(grid.dtype)});
    return b.op("quantize", std::move(list));
  };
}

BuildOne dequantize(const Grid& grid, DType result = DType::kFp64) {
  return [=](Builder& b, const auto& v) {
    return b.op("dequantize", arguments(b, v[0], grid, result, v[0]->type.dtype));
  };
}

Literal bytes(const Shape& shape, const std::vector<int8_t>& numbers) {
  return Literal::of(Tensor::of<int8_t>(shape, numbers));
}

TEST(Quantize, RoundsHalvesToEven) {
  const Tensor x = Tensor::of<double>({6}, {0.5, 1.5, 2.5, -0.5, -1.5, 2.51});
  EXPECT_THAT(values(run_one({x}, quantize({}))), ElementsAre(0, 2, 2, 0, -2, 3));
}

TEST(Quantize, ClampsToTheRangeOfItsType) {
  const Tensor x = Tensor::of<double>({5}, {-1000, -128.4, 127.6, 255.2, INFINITY});
  EXPECT_THAT(values(run_one({x}, quantize({}))), ElementsAre(-128, -128, 127, 127, 127));
  EXPECT_THAT(values(run_one({x}, quantize({.dtype = "uint8"}))), ElementsAre(0, 0, 128, 255, 255));
}

TEST(Quantize, WhatIsNoNumberBecomesTheLowest) {
  const Tensor x = Tensor::of<double>({1}, {NAN});
  EXPECT_THAT(values(run_one({x}, quantize({}))), ElementsAre(-128));
}

TEST(Quantize, DividesByTheScaleAndAddsTheZeroPointAfterRounding) {
  const Tensor x = Tensor::of<double>({3}, {1.0, 0.25, -40});
  // 1 / .5 = 2, .25 / .5 = .5 → 0, -80 + 3
  EXPECT_THAT(values(run_one({x}, quantize({.scale = {0.5}, .zero_point = {3}}))),
              ElementsAre(5, 3, -77));
}

TEST(Quantize, TakesAScaleAndAZeroPointForEachIndexOfTheAxis) {
  const Tensor x = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(values(run_one({x}, quantize({.scale = {1, 2}, .axis = 0}))),
              ElementsAre(1, 2, 3, 2, 2, 3));
  EXPECT_THAT(values(run_one({x}, quantize({.scale = {1, 2, 4}, .axis = -1}))),
              ElementsAre(1, 1, 1, 4, 2, 2));  // 2.5 → 2, .75 → 1, 1.5 → 2
  EXPECT_THAT(values(run_one({x}, quantize({.zero_point = {0, 10}, .axis = 0}))),
              ElementsAre(1, 2, 3, 14, 15, 16));
}

TEST(Dequantize, SubtractsTheZeroPointAndMultiplies) {
  const Tensor q = Tensor::of<int8_t>({3}, {-128, 3, 127});
  EXPECT_THAT(values(run_one({q}, dequantize({.scale = {0.5}, .zero_point = {3}}))),
              ElementsAre(-65.5, 0, 62));
  const Tensor u = Tensor::of<uint8_t>({2}, {0, 255});
  EXPECT_THAT(values(run_one({u}, dequantize({.scale = {2}, .zero_point = {100}}))),
              ElementsAre(-200, 310));
}

TEST(Dequantize, TakesAScaleForEachIndexOfTheAxis) {
  const Tensor q = Tensor::of<int8_t>({2, 2}, {1, 2, 3, 4});
  EXPECT_THAT(values(run_one({q}, dequantize({.scale = {1, 10}, .axis = 1}))),
              ElementsAre(1, 20, 3, 40));
}

TEST(Dequantize, HasTheTypeOfItsScale) {
  const Tensor q = Tensor::of<int8_t>({1}, {3});
  const Tensor y = run_one({q}, dequantize({.scale = {1.0 / 3}}, DType::kFp16));
  EXPECT_EQ(y.dtype(), DType::kFp16);
  EXPECT_EQ(y.at(0), 1);  // 3 * 0.333252 = 0.999756, halfway between two numbers of fp16
}

TEST(ConstexprAffineDequantize, GivesEachChannelItsScale) {
  const Tensor x = Tensor::of<double>({2, 2}, {0, 0, 0, 0});
  const Tensor y = run_one({x}, [](Builder& b, const auto& v) {
    const Value w = b.constexpr_affine_dequantize(bytes({2, 2}, {1, -2, 127, -128}),
                                                  Tensor::of<double>({2}, {0.5, 2}), 0);
    return b.add(v[0], w);
  });
  EXPECT_THAT(values(y), ElementsAre(0.5, -1, 254, -256));
}

TEST(ConstexprAffineDequantize, ScaleAndZeroPointAreOneNumberOrOneForEachIndexOnTheirOwn) {
  const Tensor x = Tensor::of<double>({2}, {0, 0});
  const Tensor y = run_one({x}, [](Builder& b, const auto& v) {
    const Value w = b.op(
        "constexpr_affine_dequantize",
        std::vector<Attribute>{{"axis", Literal::scalar(int32_t{0})},
                               {"quantized_data", Literal::of(Tensor::of<uint8_t>({2}, {200, 7}))},
                               {"scale", Literal::scalar(0.5)},
                               {"zero_point", Literal::of(Tensor::of<float>({2}, {100, 8}))}});
    return b.add(v[0], w);
  });
  EXPECT_THAT(values(y), ElementsAre(50, -0.5));
}

TEST(ConstexprAffineDequantize, NeedsNoNumbersToBeTyped) {
  Function function("main", "ios17");
  Builder b(function);
  Literal file;
  file.type = Type::tensor(DType::kInt8, {4, 4});
  file.blob = BlobRef{"@model_path/weights/weight.bin", 64};
  const Value w = b.constexpr_affine_dequantize(
      file, Tensor::of<double>({4}, {1, 1, 1, 1}).cast(DType::kFp16), 0);
  EXPECT_EQ(to_string(w->type), "tensor<fp16, [4, 4]>");
  b.output("y", b.unary("relu", w));
  EXPECT_TRUE(verify(function).empty());
}

TEST(Quantization, RefusesWhatBreaksItsRules) {
  const Tensor x = Tensor::of<double>({2, 3}, {0, 0, 0, 0, 0, 0});
  const Tensor q = Tensor::of<int8_t>({2, 3}, {0, 0, 0, 0, 0, 0});
  EXPECT_THAT(refusal({x}, quantize({.scale = {1, 2}})), HasSubstr("quantize.c1"));
  EXPECT_THAT(refusal({x}, quantize({.scale = {1, 2}, .axis = 1})), HasSubstr("quantize.c1"));
  EXPECT_THAT(refusal({x}, quantize({.axis = 2})), HasSubstr("quantize.c2"));
  EXPECT_THAT(refusal({x}, quantize({.dtype = "int32"})), HasSubstr("quantize.c3"));
  EXPECT_THAT(refusal({x}, quantize({.dtype = "byte"})), HasSubstr("quantize.c3"));
  EXPECT_THAT(refusal({q}, dequantize({.scale = {1, 2}})), HasSubstr("dequantize.c1"));
  EXPECT_THAT(refusal({q}, dequantize({.scale = {1, 2}, .axis = -3})), HasSubstr("dequantize.c2"));
  EXPECT_THAT(refusal({x}, dequantize({})), HasSubstr("takes int8 or uint8, not"));
}

TEST(Quantization, RefusesTypesThatDoNotGoTogether) {
  const Tensor x = Tensor::of<double>({1}, {0}), q = Tensor::of<int8_t>({1}, {0});
  const auto with_zero = [&](const char* op, const Tensor& input, Literal zero) {
    return refusal({input}, [&](Builder& b, const auto& v) {
      std::vector<Argument> list = {
          {"input", v[0]}, {"scale", b.scalar(DType::kFp64, 1)}, {"zero_point", b.constant(zero)}};
      if (op == std::string("quantize")) list.push_back({"output_dtype", b.text("int8")});
      return b.op(op, std::move(list));
    });
  };
  EXPECT_THAT(with_zero("quantize", x, Literal::scalar(uint8_t{1})), HasSubstr("quantize.c5"));
  EXPECT_THAT(with_zero("dequantize", q, Literal::scalar(uint8_t{1})), HasSubstr("dequantize.c3"));
  EXPECT_THAT(refusal({x},
                      [](Builder& b, const auto& v) {
                        return b.op("quantize", {{"input", v[0]},
                                                 {"scale", b.scalar(DType::kFp32, 1)},
                                                 {"output_dtype", b.text("int8")}});
                      }),
              HasSubstr("quantize.c4"));
}

}  // namespace
}  // namespace anemone
