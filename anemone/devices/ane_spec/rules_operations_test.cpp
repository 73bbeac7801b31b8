// Rules on operations and on weights that are inputs: what breaks them, on which chips, and that
// the work-around passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/ane_spec/testing/rule_testing.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- operations ---

TEST(Rules, C3AttentionTakesNoMask) {
  const std::vector<Shape> inputs = {{1, 2, 16, 8}, {1, 2, 16, 8}, {1, 2, 16, 8}, {16, 16}};
  const std::string call = "scaled_dot_product_attention(query = a, key = b, value = c";
  for (const int chip : kAllChips) {
    EXPECT_THAT(broken(chip, one_op(inputs, inputs[0], call + ", attn_mask = d)")), ElementsAre(3));
    EXPECT_THAT(broken(chip, one_op(inputs, inputs[0], call + ")")), IsEmpty());
  }
  EXPECT_EQ(first_message(4, one_op(inputs, inputs[0], call + ", attn_mask = d)")),
            "attn_mask tensor<fp16, [16, 16]> is ignored: every query sees every key");
}

TEST(Rules, C4ConvTakesNoBias) {
  const ConvCase plain = {.x = {1, 4, 1, 16}, .weight = {8, 4, 1, 1}, .y = {1, 8, 1, 16}};
  ConvCase biased = plain;
  biased.begin = "tensor<fp16, [8]> b = const()[val = tensor<fp16, [8]>([1,1,1,1,1,1,1,1])];\n";
  biased.more = ", bias = b";
  EXPECT_THAT(broken(4, conv(biased)), ElementsAre(4));
  EXPECT_THAT(broken(4, conv(plain)), IsEmpty());
}

TEST(Rules, C5ConcatSaysInterleaveFalse) {
  const auto concat = [](const std::string& more) {
    return one_op({{1, 4}, {1, 4}}, {1, 8}, "concat(values = (a, b), axis = int32(1)" + more + ")");
  };
  EXPECT_THAT(broken(4, concat("")), ElementsAre(5));
  EXPECT_THAT(broken(4, concat(", interleave = bool(true)")), ElementsAre(5));
  EXPECT_THAT(broken(4, concat(", interleave = bool(false)")), IsEmpty());
}

TEST(Rules, C7LongSoftmaxTakesAMultipleOf16) {
  const auto softmax = [](int64_t size) {
    return one_op({{1, size, 1, 16}}, {1, size, 1, 16}, "softmax(x = a, axis = int32(1))");
  };
  for (const int64_t size : {2, 77, 256, 272, 1024, 32000}) {
    EXPECT_THAT(broken(4, softmax(size)), IsEmpty()) << size;
  }
  EXPECT_THAT(broken(4, softmax(257)), ElementsAre(7));
  EXPECT_THAT(first_message(4, softmax(1000)), HasSubstr("1000"));
}

TEST(Rules, C8GeluSaysItsMode) {
  EXPECT_THAT(broken(5, one_op({{1, 4}}, {1, 4}, "gelu(x = a)")), ElementsAre(8));
  EXPECT_THAT(broken(5, one_op({{1, 4}}, {1, 4}, "gelu(x = a, mode = string(\"EXACT\"))")),
              IsEmpty());
}

TEST(Rules, C13RefusesWhatTheEngineLacksAndSaysWhatToDo) {
  const Function mod = one_op({{1, 4}, {1, 4}}, {1, 4}, "mod(x = a, y = b)");
  EXPECT_THAT(broken(5, mod), ElementsAre(13));
  EXPECT_EQ(first_message(5, mod), "it has no mod; instead: sub(x, mul(y, floor_div(x, y)))");
}

TEST(Rules, C13SineCameWithM3) {
  const Function sine = one_op({{1, 4}}, {1, 4}, "sin(x = a)");
  for (const int chip : {1, 2}) EXPECT_THAT(broken(chip, sine), ElementsAre(13));
  for (const int chip : {3, 4, 5, 6}) EXPECT_THAT(broken(chip, sine), IsEmpty());
}

TEST(Rules, C64ReductionsAreNotMultipliedWithZero) {
  const auto times = [](const std::string& factor) {
    return parse_body("tensor<fp16, [1, 4]> x",
                      "tensor<fp16, [1, 1]> t = reduce_sum(x = x, axes = tensor<int32, [1]>([1]), "
                      "keep_dims = bool(true));\n"
                      "tensor<fp16, [1, 1]> y = " +
                          factor + ";\n",
                      "y");
  };
  EXPECT_THAT(broken(5, times("mul(x = t, y = fp16(0))")), ElementsAre(64));
  EXPECT_THAT(broken(5, times("mul(x = fp16(0), y = t)")), ElementsAre(64));
  EXPECT_THAT(broken(5, times("mul(x = t, y = fp16(0.25))")), IsEmpty());
  EXPECT_THAT(broken(5, times("sub(x = t, y = t)")), IsEmpty());
}

TEST(Rules, C65LayerNormHasBothAffineTermsOrNeitherUpToM2) {
  const auto layer_norm = [](int64_t size, const std::string& terms) {
    const std::string type = to_string(Type::tensor(DType::kFp16, {size}));
    const auto blob = [&](const std::string& name) {
      return type + " " + name + " = const()[val = " + type + "(BLOBFILE(path = string(\"w\"), " +
             "offset = uint64(64)))];\n";
    };
    const std::string row = to_string(Type::tensor(DType::kFp16, {16, size}));
    return parse_body(row + " x",
                      blob("g") + blob("b") + row + " y = layer_norm(x = x, " +
                          "axes = tensor<int32, [1]>([1]), epsilon = fp16(1e-5)" + terms + ");\n",
                      "y");
  };
  for (const int chip : {1, 2}) {
    EXPECT_THAT(broken(chip, layer_norm(1024, ", gamma = g")), ElementsAre(65));
    EXPECT_THAT(broken(chip, layer_norm(1024, ", beta = b")), ElementsAre(65));
    EXPECT_THAT(broken(chip, layer_norm(1024, ", gamma = g, beta = b")), IsEmpty());
    EXPECT_THAT(broken(chip, layer_norm(1024, "")), IsEmpty());
    EXPECT_THAT(broken(chip, layer_norm(768, ", gamma = g")), IsEmpty());
  }
  EXPECT_THAT(broken(3, layer_norm(1024, ", gamma = g")), IsEmpty());
}

TEST(Rules, C66LogSaysItsEpsilon) {
  EXPECT_THAT(broken(5, one_op({{1, 4}}, {1, 4}, "log(x = a)")), ElementsAre(66));
  EXPECT_THAT(broken(5, one_op({{1, 4}}, {1, 4}, "log(x = a, epsilon = fp16(1e-6))")), IsEmpty());
}

TEST(Rules, C67CastsToInt32AreRefused) {
  const auto through = [](const std::string& type) {
    return parse_body("tensor<fp16, [4]> x",
                      "tensor<" + type + ", [4]> t = cast(x = x, dtype = string(\"" + type +
                          "\"));\ntensor<fp16, [4]> y = cast(x = t, dtype = string(\"fp16\"));\n",
                      "y");
  };
  EXPECT_THAT(broken(1, through("int32")), ElementsAre(67, 67));
  for (const char* type : {"fp32", "bool", "uint8", "int16"}) {
    EXPECT_THAT(broken(1, through(type)), IsEmpty()) << type;
  }
}

TEST(Rules, C68ManyBranchesAreSlow) {
  const auto join = [](int count) {
    std::string values = "a";
    for (int i = 1; i < count; ++i) values += ", a";
    return one_op({{1, 4}}, {1, 4 * count},
                  "concat(values = (" + values + "), axis = int32(1), interleave = bool(false))");
  };
  EXPECT_THAT(broken(5, join(12)), ElementsAre(68));
  EXPECT_EQ(findings_on(5, join(12))[0].rule->effect, Effect::kSlow);
  EXPECT_THAT(broken(5, join(11)), IsEmpty());
}

TEST(Rules, C69PadReflectsFromM2On) {
  const auto pad = [](const std::string& mode) {
    return one_op({{1, 4, 8, 32}}, {1, 4, 10, 32},
                  "pad(x = a, pad = tensor<int32, [4]>([1, 1, 0, 0]), mode = string(\"" + mode +
                      "\"), constant_val = fp16(0))");
  };
  EXPECT_THAT(broken(1, pad("reflect")), ElementsAre(69));
  EXPECT_THAT(broken(2, pad("reflect")), IsEmpty());
  EXPECT_THAT(broken(1, pad("constant")), IsEmpty());
}

// --- weights as inputs ---

TEST(Rules, C14RuntimeWeightsAreNotGroupedOnM1) {
  ConvCase grouped = {.x = {1, 8, 1, 16}, .weight = {8, 4, 1, 1}, .y = {1, 8, 1, 16}};
  grouped.more = ", groups = int32(2)";
  EXPECT_THAT(broken(1, conv(grouped)), IsEmpty());
  grouped.runtime = true;
  EXPECT_THAT(broken(1, conv(grouped)), ElementsAre(14));
  EXPECT_THAT(broken(4, conv(grouped)), IsEmpty());
}

Function matmul(const Shape& x, const Shape& w, const Shape& y, bool transpose_x = false) {
  return one_op({x, w}, y,
                std::string("matmul(x = a, y = b, transpose_x = bool(") +
                    (transpose_x ? "true" : "false") + "), transpose_y = bool(false))");
}

TEST(Rules, C15ContractionIsAMultipleOf32OnM1) {
  EXPECT_THAT(broken(1, matmul({1, 64, 48}, {1, 48, 16}, {1, 64, 16})), ElementsAre(15));
  EXPECT_THAT(broken(1, matmul({1, 64, 64}, {1, 64, 16}, {1, 64, 16})), IsEmpty());
  EXPECT_THAT(broken(1, matmul({1, 48, 64}, {1, 48, 16}, {1, 64, 16}, true)), ElementsAre(15));
  EXPECT_THAT(broken(2, matmul({1, 64, 48}, {1, 48, 16}, {1, 64, 16})), IsEmpty());
}

TEST(Rules, C16RuntimeWeightsOfConvAreNotReshapedOnM1) {
  ConvCase c = {.x = {1, 8, 1, 16}, .weight = {4, 8, 1, 1}, .y = {1, 4, 1, 16}};
  const auto reshaped = [] {
    return parse_body(
        "tensor<fp16, [1, 8, 1, 16]> x, tensor<fp16, [4, 8]> flat",
        "tensor<fp16, [4, 8, 1, 1]> w = reshape(x = flat, shape = " + ints({4, 8, 1, 1}) +
            ");\ntensor<fp16, [1, 4, 1, 16]> y = conv(x = x, weight = w);\n",
        "y");
  };
  EXPECT_THAT(broken(1, reshaped()), ElementsAre(16));
  EXPECT_THAT(broken(4, reshaped()), IsEmpty());
  c.runtime = true;
  EXPECT_THAT(broken(1, conv(c)), IsEmpty());
}

TEST(Rules, C63RuntimeWeightsTakeBatch1) {
  ConvCase c = {.x = {2, 8, 1, 16}, .weight = {4, 8, 1, 1}, .y = {2, 4, 1, 16}};
  EXPECT_THAT(broken(5, conv(c)), IsEmpty());
  c.runtime = true;
  EXPECT_THAT(broken(5, conv(c)), ElementsAre(63));
  c.x = {1, 8, 1, 32}, c.y = {1, 4, 1, 32};
  EXPECT_THAT(broken(5, conv(c)), IsEmpty());
}

}  // namespace
}  // namespace anemone
