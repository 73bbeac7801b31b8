// Rules on programs, numbers and surfaces, and all rules together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "anemone/devices/ane_spec/testing/rule_testing.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- the program ---

TEST(Rules, C17LargeProgramsDoNotSliceInputsByIndex) {
  const auto sliced = [](const std::string& slice, int more) {
    std::string body = "tensor<fp16, [1, 16]> t0 = " + slice + ";\n", last = "t0";
    for (int i = 1; i <= more; ++i) {
      const std::string next = "t" + std::to_string(i);
      body += "tensor<fp16, [1, 16]> " + next + " = relu(x = " + last + ");\n";
      last = next;
    }
    return parse_body("tensor<fp16, [1, 32]> x", body, last);
  };
  const std::string by_index =
      "slice_by_index(x = x, begin = " + ints({0, 0}) + ", end = " + ints({1, 16}) + ")";
  const std::string by_size =
      "slice_by_size(x = x, begin = " + ints({0, 0}) + ", size = " + ints({1, 16}) + ")";
  EXPECT_THAT(broken(3, sliced(by_index, 15)), ElementsAre(17));
  EXPECT_THAT(broken(3, sliced(by_index, 3)), IsEmpty());
  EXPECT_THAT(broken(3, sliced(by_size, 15)), IsEmpty());
}

TEST(Rules, C18RotationAlongTheWidthIsRefusedOnM3) {
  const auto rotate = [](int axis) {
    const bool width = axis == 3;
    const std::string half = width ? "tensor<fp16, [1, 4, 8, 16]>" : "tensor<fp16, [1, 4, 4, 32]>";
    const std::string size = width ? ints({1, 4, 8, 16}) : ints({1, 4, 4, 32});
    const std::string begin = width ? ints({0, 0, 0, 16}) : ints({0, 0, 4, 0});
    return parse_body("tensor<fp16, [1, 4, 8, 32]> x",
                      half + " a = slice_by_size(x = x, begin = " + ints({0, 0, 0, 0}) +
                          ", size = " + size + ");\n" + half +
                          " b = slice_by_size(x = x, begin = " + begin + ", size = " + size +
                          ");\n" + half + " c = mul(x = b, y = fp16(-1));\n" +
                          "tensor<fp16, [1, 4, 8, 32]> y = concat(values = (c, a), axis = int32(" +
                          std::to_string(axis) + "), interleave = bool(false));\n",
                      "y");
  };
  EXPECT_THAT(broken(3, rotate(3)), ElementsAre(18));
  EXPECT_THAT(broken(4, rotate(3)), IsEmpty());
  EXPECT_THAT(broken(3, rotate(2)), IsEmpty());
}

Function cast_in_and_out(const std::string& type) {
  return parse_body("tensor<" + type + ", [1, 64]> x",
                    "tensor<fp16, [1, 64]> t = cast(x = x, dtype = string(\"fp16\"));\n"
                    "tensor<" +
                        type + ", [1, 64]> y = cast(x = t, dtype = string(\"" + type + "\"));\n",
                    "y");
}

TEST(Rules, C19AndC59PortsAreNotFp32) {
  EXPECT_THAT(broken(1, cast_in_and_out("fp32")), ElementsAre(19, 19));
  EXPECT_THAT(broken(2, cast_in_and_out("fp32")), ElementsAre(19, 19));
  EXPECT_THAT(broken(4, cast_in_and_out("fp32")), ElementsAre(59, 59));
}

TEST(Rules, C59PortsTakeHalvesAndSmallIntegers) {
  for (const char* type : {"fp16", "int8", "uint8", "int16", "uint16"}) {
    EXPECT_THAT(broken(5, cast_in_and_out(type)), IsEmpty()) << type;
  }
  const auto findings = findings_on(5, cast_in_and_out("bool"));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].violation.message, "input 'x' is tensor<bool, [1, 64]>");
  EXPECT_EQ(findings[1].violation.message, "output 'y' is tensor<bool, [1, 64]>");
}

TEST(Rules, C60AProgramInFp32IsOneFinding) {
  const Function function =
      parse_body("tensor<fp16, [1, 64]> x",
                 "tensor<fp32, [1, 64]> a = cast(x = x, dtype = string(\"fp32\"));\n"
                 "tensor<fp32, [1, 64]> b = relu(x = a);\n"
                 "tensor<fp32, [1, 64]> c = add(x = b, y = a);\n"
                 "tensor<fp16, [1, 64]> y = cast(x = c, dtype = string(\"fp16\"));\n",
                 "y");
  EXPECT_THAT(broken(5, function), ElementsAre(60));
  EXPECT_EQ(first_message(5, function),
            "2 operations compute in fp32 or the like, this relu first");
  EXPECT_EQ(findings_on(5, function)[0].violation.where, "3:27");
}

TEST(Rules, C58ConstantsOfAProgramEndAt1600Megabytes) {
  const auto with = [](int64_t outputs) {
    return conv(
        {.x = {1, 16384, 1, 16}, .weight = {outputs, 16384, 1, 1}, .y = {1, outputs, 1, 16}});
  };
  EXPECT_THAT(broken(4, with(48000)), IsEmpty());        // 1.57 GB
  EXPECT_THAT(broken(4, with(49000)), ElementsAre(58));  // 1.61 GB
}

TEST(Rules, C62AProgramHasAtMost30Attentions) {
  const auto deep = [](int layers) {
    std::string body, last = "x";
    for (int i = 0; i < layers; ++i) {
      const std::string next = "p" + std::to_string(i);
      body += "tensor<fp16, [1, 16]> " + next + " = softmax(x = " + last + ", axis = int32(-1));\n";
      last = next;
    }
    return parse_body("tensor<fp16, [1, 16]> x", body, last);
  };
  EXPECT_THAT(broken(5, deep(30)), IsEmpty());
  EXPECT_THAT(broken(5, deep(33)), ElementsAre(62));
}

// --- numbers ---

TEST(Rules, C41MasksLeaveSomethingOfEveryRow) {
  const auto masked = [](const std::string& numbers) {
    return parse_body("tensor<fp16, [2, 2]> x",
                      "tensor<fp16, [2, 2]> m = const()[val = tensor<fp16, [2, 2]>(" + numbers +
                          ")];\ntensor<fp16, [2, 2]> y = add(x = x, y = m);\n",
                      "y");
  };
  EXPECT_THAT(broken(4, masked("[[0, -65504], [0, 0]]")), IsEmpty());
  EXPECT_THAT(broken(4, masked("[[0, -10000], [-10000, -10000]]")), IsEmpty());
  EXPECT_THAT(broken(4, masked("[[0, 0], [-65504, -65504]]")), ElementsAre(41));
  EXPECT_THAT(first_message(4, masked("[[0, 0], [-65504, -65504]]")),
              HasSubstr("hides all of row 1"));
  EXPECT_THAT(broken(4, masked("[[0, -inf], [0, 0]]")), IsEmpty());
}

TEST(Rules, C42SlicesInsideTheWidthClampOnM1AndM2) {
  const auto slice = [](const std::vector<int64_t>& begin) {
    return one_op(
        {{1, 64, 1, 96}}, {1, 32, 1, 64},
        "slice_by_size(x = a, begin = " + ints(begin) + ", size = " + ints({1, 32, 1, 64}) + ")");
  };
  for (const int chip : {1, 2}) {
    EXPECT_THAT(broken(chip, slice({0, 0, 0, 32})), ElementsAre(42));
    EXPECT_THAT(broken(chip, slice({0, 32, 0, 0})), IsEmpty());
  }
  for (const int chip : {3, 4, 5, 6}) EXPECT_THAT(broken(chip, slice({0, 0, 0, 32})), IsEmpty());
}

// --- surfaces ---

TEST(Surfaces, C26AllOfOneSideAreEqual) {
  const Target target;
  EXPECT_EQ(check_surfaces(std::vector<size_t>{65536, 65536}, target), "");
  EXPECT_THAT(check_surfaces(std::vector<size_t>{65536, 131072}, target), HasSubstr("ane.c26"));
  EXPECT_EQ(check_surfaces({}, target), "");
}

TEST(Surfaces, C28EachHas48KibibytesAtLeast) {
  EXPECT_EQ(check_surfaces(std::vector<size_t>{49152}, {}), "");
  EXPECT_THAT(check_surfaces(std::vector<size_t>{49151}, {}), HasSubstr("ane.c28"));
}

TEST(Surfaces, BytesAreWholePagesThatKeepTheRules) {
  EXPECT_EQ(surface_bytes(Type::tensor(DType::kFp16, {1, 64, 1, 16})), 49152u);
  EXPECT_EQ(surface_bytes(Type::tensor(DType::kFp16, {1, 768, 1, 32})), 49152u);
  EXPECT_EQ(surface_bytes(Type::tensor(DType::kFp16, {1, 769, 1, 32})), 65536u);
}

// --- all of it ---

// A layer as training runs it: weights baked or given, attention in simple steps.
TEST(Rules, WhatRunsOnHardwareBreaksNothingFromM3On) {
  Function function("main", "ios18");
  Builder b(function);
  const Value x = b.input("a0_x", DType::kFp16, {1, 64, 1, 64});
  const Value weight = b.input("a1_w", DType::kFp16, {64, 64, 1, 1});
  const auto heads = [&](Value v) {
    return b.transpose(b.reshape(v, {1, 2, 32, 64}), {0, 1, 3, 2});
  };
  const Value norm =
      b.pow(b.add(b.mul(b.reduce_sum(b.mul(x, x), {1}, true), 1.0 / 64), 1e-3), -0.5);
  const Value q = heads(b.conv1x1(b.mul(x, norm), weight)), k = heads(x);
  const Value p = b.softmax(b.mul(b.matmul(q, k, false, true), 0.17), -1);
  const Value y = b.reshape(b.transpose(b.matmul(p, k), {0, 1, 3, 2}), {1, 64, 1, 64});
  const Value front = b.slice_by_size(y, {0, 0, 0, 0}, {1, 32, 1, 64});
  const Value both = b.concat({front, b.mul(front, b.unary("sigmoid", front))}, 1);
  b.output("o0_y", b.sub(both, x));
  for (const int chip : kAllChips) EXPECT_THAT(broken(chip, function), IsEmpty()) << chip;
}

TEST(Rules, FindingsStandInTheOrderOfTheProgram) {
  const Function function = parse_body("tensor<fp32, [1, 4]> x",
                                       "tensor<fp32, [1, 4]> a = gelu(x = x);\n"
                                       "tensor<fp32, [1, 4]> y = log(x = a);\n",
                                       "y");
  EXPECT_THAT(broken(4, function), ElementsAre(59, 8, 60, 59, 66));
}

TEST(Rules, AThousandOperationsAreCheckedInMilliseconds) {
  Function function("main", "ios18");
  Builder b(function);
  Value x = b.input("x", DType::kFp16, {1, 64, 1, 64});
  for (int i = 0; i < 250; ++i) {
    x = b.slice_by_size(b.concat({b.unary("relu", x), x}, 1), {0, 0, 0, 0}, {1, 64, 1, 64});
    x = b.softmax(b.add(x, 0.5), 1);
  }
  b.output("y", x);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(broken(4, function), ElementsAre(62));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 0.25);
}

}  // namespace
}  // namespace anemone
