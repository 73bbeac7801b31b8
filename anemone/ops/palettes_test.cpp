#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/packed.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A function of one constexpr_… statement that makes `out`.
std::string program(const std::string& opset, const std::string& type, const std::string& call) {
  return "func main<" + opset + ">() { " + type + " out = " + call + "; } -> (out);";
}

std::vector<double> unpacked(const std::string& opset, const std::string& type,
                             const std::string& call) {
  return values(run_mil(program(opset, type, call))[0]);
}

std::string refused(const std::string& opset, const std::string& call) {
  return error_of([&] { run_mil(program(opset, "tensor<fp32, [1]>", call)); });
}

TEST(Packed, ElementsRunAcrossBytesFromTheLowestBit) {
  const uint8_t bytes[] = {0b11010001, 0b01110100};
  EXPECT_EQ(bits_at(bytes, 3, 0), 0b001u);
  EXPECT_EQ(bits_at(bytes, 3, 1), 0b010u);
  EXPECT_EQ(bits_at(bytes, 3, 2), 0b011u);  // two bits of byte 0, one of byte 1
  EXPECT_EQ(bits_at(bytes, 6, 1), 0b010011u);
  const Tensor four(DType::kInt4, {3});
  for (int64_t i = 0; i < 3; ++i) packed_set(four, i, static_cast<double>(i - 8 + i * 7));
  EXPECT_EQ(packed_at(four, 0), -8);
  EXPECT_EQ(packed_at(four, 1), 0);
  EXPECT_EQ(packed_at(four, 2), -8);  // 8 wraps
}

TEST(ConstexprCast, Widens) {
  EXPECT_THAT(unpacked("ios16", "tensor<fp32, [2]>",
                       "constexpr_cast()[output_dtype = string(\"fp32\"), source_val = "
                       "tensor<fp16, [2]>([1.5, -2])]"),
              ElementsAre(1.5, -2));
  EXPECT_THAT(refused("ios18",
                      "constexpr_cast(output_dtype = string(\"fp32\"), source_val = "
                      "tensor<fp64, [1]>([1]))"),
              HasSubstr("constexpr_cast.c1: source_val is tensor<fp64, [1]>, not fp16"));
  EXPECT_THAT(refused("ios18",
                      "constexpr_cast(output_dtype = string(\"fp16\"), source_val = "
                      "tensor<fp16, [1]>([1]))"),
              HasSubstr("constexpr_cast.c2: output_dtype is fp16, not fp32"));
}

// MIL's example: indices 0, 3, 2, 1 and 3 in two bits each are the bytes 0b01101100 and 0b11.
TEST(LutToDense, UnpacksBytesUpToIos17) {
  EXPECT_THAT(unpacked("ios17", "tensor<fp16, [5]>",
                       "constexpr_lut_to_dense()[indices = tensor<uint8, [2]>([108, 3]), lut = "
                       "tensor<fp16, [4]>([10, 20, 30, 40]), shape = tensor<uint32, [1]>([5])]"),
              ElementsAre(10, 40, 30, 20, 40));
}

// MIL's example of two tables, one for the first three rows and one for the last three.
TEST(LutToDense, HasATableForEachBlock) {
  EXPECT_THAT(
      unpacked("ios18", "tensor<fp16, [6, 2]>",
               "constexpr_lut_to_dense(indices = tensor<uint2, [6, 2]>([2, 3, 3, 0, 1, 0, 3, 0, 2, "
               "1, 0, 3]), lut = tensor<fp16, [2, 1, 4, 1]>([1, 5, 9, 13, 2, 10, 18, 26]))"),
      ElementsAre(9, 13, 13, 1, 5, 1, 26, 2, 18, 10, 2, 26));
}

TEST(LutToDense, VectorsLieAlongTheirAxis) {
  const std::string call =
      "constexpr_lut_to_dense(indices = tensor<uint1, [2, 2]>([0, 1, 1, 0]), lut = "
      "tensor<int8, [1, 1, 2, 2]>([1, 2, 3, 4]), vector_axis = int32(";
  EXPECT_THAT(unpacked("ios18", "tensor<int8, [2, 4]>", call + "1))"),
              ElementsAre(1, 2, 3, 4, 3, 4, 1, 2));
  EXPECT_THAT(unpacked("ios18", "tensor<int8, [4, 2]>", call + "-2))"),
              ElementsAre(1, 3, 2, 4, 3, 1, 4, 2));
}

TEST(LutToDense, RulesC1ToC5) {
  const auto old_form = [](const char* indices, const char* lut, const char* shape) {
    return refused("ios16", std::string("constexpr_lut_to_dense()[indices = tensor<uint8, ") +
                                indices + ", lut = tensor<fp32, " + lut +
                                ", shape = tensor<uint32, [1]>([" + shape + "])]");
  };
  EXPECT_THAT(old_form("[1]>([0])", "[2]>([0, 1])", "0"), HasSubstr("constexpr_lut_to_dense.c1"));
  EXPECT_THAT(old_form("[1]>([0])", "[3]>([0, 1, 2])", "8"),
              HasSubstr("constexpr_lut_to_dense.c2"));
  EXPECT_THAT(
      old_form("[1]>([0])", "[2]>([0, 1])", "9"),
      HasSubstr("constexpr_lut_to_dense.c3: indices are tensor<uint8, [1]>, not uint8 [2]"));
  const auto new_form = [](const char* indices, const char* lut, const char* axis = "") {
    return refused("ios18", std::string("constexpr_lut_to_dense(indices = tensor<") + indices +
                                ", lut = tensor<fp32, " + lut + axis + ")");
  };
  EXPECT_THAT(new_form("uint1, [2]>([0, 1])", "[2]>([0, 1])"),
              HasSubstr("constexpr_lut_to_dense.c2: the tables"));
  EXPECT_THAT(new_form("uint1, [2]>([0, 1])", "[3, 2, 1]>([0, 1, 0, 1, 0, 1])"),
              HasSubstr("constexpr_lut_to_dense.c3: [2] is not cut into equal blocks by [3]"));
  EXPECT_THAT(new_form("uint2, [2]>([0, 1])", "[1, 2, 1]>([0, 1])"),
              HasSubstr("constexpr_lut_to_dense.c4: tables of 2 numbers do not go with indices of "
                        "uint2"));
  EXPECT_THAT(new_form("int4, [2]>([0, 1])", "[1, 2, 1]>([0, 1])"),
              HasSubstr("constexpr_lut_to_dense.c4"));
  EXPECT_THAT(new_form("uint1, [2]>([0, 1])", "[1, 2, 2]>([0, 1, 2, 3])"),
              HasSubstr("constexpr_lut_to_dense.c5: vectors of 2 need a vector_axis"));
  EXPECT_THAT(new_form("uint1, [2]>([0, 1])", "[1, 2, 1]>([0, 1])", ", vector_axis = int32(1)"),
              HasSubstr("constexpr_lut_to_dense.c5: axis 1 is outside rank 1"));
}

TEST(SparseToDense, PutsNumbersWhereTheMaskHasOnes) {
  EXPECT_THAT(unpacked("ios16", "tensor<fp32, [5]>",
                       "constexpr_sparse_to_dense()[mask = tensor<uint8, [1]>([12]), nonzero_data "
                       "= tensor<fp32, [2]>([7, 8]), shape = tensor<uint32, [1]>([5])]"),
              ElementsAre(0, 0, 7, 8, 0));
  EXPECT_THAT(unpacked("ios18", "tensor<int8, [2, 2]>",
                       "constexpr_sparse_to_dense(mask = tensor<uint1, [2, 2]>([1, 0, 0, 1]), "
                       "nonzero_data = tensor<int8, [2]>([7, 8]))"),
              ElementsAre(7, 0, 0, 8));
}

TEST(SparseToDense, RulesC1AndC2) {
  const auto with = [](const char* mask, const char* data) {
    return refused("ios18", std::string("constexpr_sparse_to_dense(mask = tensor<") + mask +
                                ", nonzero_data = tensor<fp32, " + data + ")");
  };
  EXPECT_THAT(with("uint8, [1]>([1])", "[1]>([1])"),
              HasSubstr("constexpr_sparse_to_dense.c1: the mask is tensor<uint8, [1]>, not uint1"));
  EXPECT_THAT(with("uint1, [2]>([1, 1])", "[1]>([1])"),
              HasSubstr("constexpr_sparse_to_dense.c2: the mask has 2 ones for 1 numbers"));
  EXPECT_THAT(with("uint1, [1]>([1])", "[1, 1]>([1])"),
              HasSubstr("constexpr_sparse_to_dense.c2: 'nonzero_data' is tensor<fp32, [1, 1]>"));
}

// Columns in blocks of two, rows alone: scale * (stored - offset).
TEST(BlockwiseShiftScale, HasAScaleForEachBlock) {
  EXPECT_THAT(
      unpacked("ios18", "tensor<fp32, [2, 4]>",
               "constexpr_blockwise_shift_scale(data = tensor<int4, [2, 4]>([-8, 7, 1, 2, 3, 4, 5, "
               "6]), scale = tensor<fp32, [2, 2]>([1, 2, 0.5, 4]), offset = tensor<int4, [2, "
               "2]>([0, 1, -1, 2]))"),
      ElementsAre(-8, 7, 0, 2, 2, 2.5, 12, 16));
  EXPECT_THAT(unpacked("ios18", "tensor<fp32, [2]>",
                       "constexpr_blockwise_shift_scale(data = tensor<uint4, [2]>([15, 2]), scale "
                       "= tensor<fp32, [1]>([0.5]))"),
              ElementsAre(7.5, 1));
}

TEST(BlockwiseShiftScale, RulesC1AndC2) {
  const auto with = [](const char* scale, const char* offset) {
    return refused("ios18", std::string("constexpr_blockwise_shift_scale(data = tensor<int4, "
                                        "[4]>([1, 2, 3, 4]), scale = tensor<fp32, ") +
                                scale + offset + ")");
  };
  EXPECT_THAT(with("[3]>([1, 1, 1])", ""), HasSubstr("constexpr_blockwise_shift_scale.c1"));
  EXPECT_THAT(with("[1, 1]>([1])", ""), HasSubstr("constexpr_blockwise_shift_scale.c1"));
  EXPECT_THAT(with("[1]>([1])", ", offset = tensor<int8, [1]>([1])"),
              HasSubstr("constexpr_blockwise_shift_scale.c2: offset is tensor<int8, [1]>"));
  EXPECT_THAT(with("[1]>([1])", ", offset = tensor<int4, [2]>([1, 1])"),
              HasSubstr("constexpr_blockwise_shift_scale.c2"));
}

// MIL's examples, as what constexpr_sparse_to_dense makes of them.
const std::string kMask =
    "tensor<uint1, [4, 6]>([1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, "
    "0])";

std::string sparse_palette(const std::string& lut, const std::string& shape, int64_t numbers) {
  return "func main<ios18>() { tensor<uint1, " + shape + "> m, tensor<fp16, [" +
         std::to_string(numbers) + "]> d = constexpr_lut_to_sparse(indices_mask = " + kMask +
         ", indices_nonzero_data = tensor<uint1, [9]>([0, 1, 1, 0, 1, 1, 0, 0, 1]), lut = " + lut +
         "); tensor<fp16, " + shape +
         "> out = constexpr_sparse_to_dense(mask = m, nonzero_data = d); } -> (out);";
}

TEST(LutToSparse, FeedsSparseToDense) {
  const auto dense = run_mil(sparse_palette("tensor<fp16, [1, 1, 2, 1]>([2, 3])", "[4, 6]", 9));
  EXPECT_THAT(values(dense[0]),
              ElementsAre(2, 3, 0, 0, 0, 0, 3, 2, 0, 0, 0, 3, 0, 3, 2, 0, 2, 0, 0, 0, 0, 3, 0, 0));
}

TEST(LutToSparse, UnpacksTheMaskAlongTheVectorAxis) {
  const auto dense = run_mil(sparse_palette(
      "tensor<fp16, [1, 1, 2, 2]>([2, 20, 3, 30]), vector_axis = int32(0)", "[8, 6]", 18));
  const std::vector<double> all = values(dense[0]);
  EXPECT_THAT(std::vector<double>(all.begin(), all.begin() + 12),
              ElementsAre(2, 3, 0, 0, 0, 0, 20, 30, 0, 0, 0, 0));
  EXPECT_THAT(std::vector<double>(all.end() - 12, all.end()),
              ElementsAre(0, 0, 0, 3, 0, 0, 0, 0, 0, 30, 0, 0));
}

TEST(LutToSparse, RuleC6CountsTheOnes) {
  const std::string call =
      "tensor<uint1, [2]> m, tensor<fp16, [1]> d = constexpr_lut_to_sparse(indices_mask = "
      "tensor<uint1, [2]>([1, 1]), indices_nonzero_data = tensor<uint1, [1]>([0]), lut = "
      "tensor<fp16, [1, 2, 1]>([2, 3]))";
  EXPECT_THAT(error_of([&] { run_mil("func main<ios18>() { " + call + "; } -> (d);"); }),
              HasSubstr("constexpr_lut_to_sparse.c6: the mask has 2 ones for 1 numbers"));
}

TEST(SparseBlockwise, ScalesByTheBlockOfEachPlace) {
  const auto dense = run_mil(
      "func main<ios18>() { tensor<uint1, [2, 2]> m, tensor<fp32, [3]> d = "
      "constexpr_sparse_blockwise_shift_scale(data_mask = tensor<uint1, [2, 2]>([1, 0, 1, 1]), "
      "nonzero_data = tensor<int8, [3]>([4, 5, 6]), scale = tensor<fp32, [1, 2]>([10, 100]), "
      "offset "
      "= tensor<int8, [1, 2]>([1, 2])); tensor<fp32, [2, 2]> out = constexpr_sparse_to_dense(mask "
      "= "
      "m, nonzero_data = d); } -> (out);");
  EXPECT_THAT(values(dense[0]), ElementsAre(30, 0, 40, 400));
}

TEST(SparseBlockwise, RulesC1ToC4) {
  const auto with = [](const char* mask, const char* data, const char* scale) {
    return error_of([&] {
      run_mil(std::string("func main<ios18>() { tensor<uint1, [1]> m, tensor<fp32, [1]> d = "
                          "constexpr_sparse_blockwise_shift_scale(data_mask = ") +
              mask + ", nonzero_data = " + data + ", scale = " + scale + "); } -> (d);");
    });
  };
  const char *one = "tensor<uint1, [2]>([1, 0])", *number = "tensor<int8, [1]>([4])";
  EXPECT_THAT(with("tensor<uint8, [1]>([1])", number, "tensor<fp32, [1]>([1])"),
              HasSubstr("constexpr_sparse_blockwise_shift_scale.c1"));
  EXPECT_THAT(with(one, "tensor<int8, [2]>([4, 5])", "tensor<fp32, [1]>([1])"),
              HasSubstr("constexpr_sparse_blockwise_shift_scale.c2"));
  EXPECT_THAT(with(one, number, "tensor<fp32, [3]>([1, 1, 1])"),
              HasSubstr("constexpr_sparse_blockwise_shift_scale.c3"));
  EXPECT_THAT(with(one, number, "tensor<fp32, [1]>([1]), offset = tensor<uint8, [1]>([1])"),
              HasSubstr("constexpr_sparse_blockwise_shift_scale.c4"));
}

TEST(Constexpr, PackedValuesFeedNothingElse) {
  const std::string text =
      "func main<ios18>() { tensor<int4, [1]> w = constexpr_sparse_to_dense(mask = tensor<uint1, "
      "[1]>([1]), nonzero_data = tensor<int4, [1]>([3])); tensor<int4, [1]> out = identity(x = w); "
      "} -> (out);";
  EXPECT_THAT(error_of([&] { run_mil(text); }),
              HasSubstr("any.c4: tensor<int4, [1]> has elements smaller than a byte"));
}

}  // namespace
}  // namespace anemone
