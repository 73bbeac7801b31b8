// Every fast kernel gives what the reference kernel of its operation gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/int4.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/ops/packed.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::HasSubstr;

TEST(FastKernels, AreAllOfKnownOperations) {
  for (const auto& [name, factory] : all_kernels()) EXPECT_NE(find_op(name), nullptr) << name;
}

TEST(FastKernels, ElementwiseOnOddSizes) {
  for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{1, 5, 1, 1021}, Shape{3, 4099}}) {
    for (const char* op : {"exp", "sigmoid", "silu", "tanh", "relu"}) {
      SCOPED_TRACE(op + to_string(shape));
      expect_fast({fp32(shape, 1, -4, 4)},
                  [&](Builder& b, const auto& v) { return std::vector{b.unary(op, v[0])}; });
    }
    for (const char* op : {"add", "sub", "mul"}) {
      SCOPED_TRACE(op + to_string(shape));
      const auto build = [&](Builder& b, const auto& v) {
        return std::vector{b.binary(op, v[0], v[1])};
      };
      expect_fast({fp32(shape, 1), fp32(shape, 2)}, build);
      expect_fast({fp32(shape, 1), fp32({}, 2)}, build);
      expect_fast({fp32(shape, 1), fp32({1}, 2)}, build);
      expect_fast({fp32(shape, 1), fp32({shape.back()}, 2)}, build);
    }
  }
}

TEST(FastKernels, IntegersAndNarrowElementwiseFallsBack) {
  const auto add = [](Builder& b, const auto& v) { return std::vector{b.add(v[0], v[1])}; };
  expect_fast({int32({3}, {1, 2, 3}), int32({3}, {4, 5, 6})}, add, false);
  expect_fast({fp32({3}, 1).cast(DType::kFp16), fp32({3}, 2).cast(DType::kFp16)}, add, false);
}

// Numbers that stay as they are where a product rounds them to bf16.
Tensor rounded(const Tensor& x) { return x.cast(DType::kBf16).cast(DType::kFp32); }

TEST(FastKernels, WeightsInBf16AndNoOtherNarrowType) {
  const auto linear = [](Builder& b, const auto& v) {
    return b.ops("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}});
  };
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{5, 7, 1, 1}, Shape{33, 100, 1, 1}}) {
    const Tensor x = fp32({1, shape[1], 1, 1}, 1), weight = fp32(shape, 2);
    expect_fast({x.clone(), weight.cast(DType::kBf16)}, linear);
    expect_fast({x.clone(), weight.cast(DType::kFp16)}, linear, false);
  }
  for (const Shape& shape : {Shape{2, 4, 1, 1}, Shape{48, 33, 1, 1}, Shape{131, 40, 1, 1}}) {
    for (const int64_t width : {2, 8, 9, 37}) {
      const Tensor weight = fp32(shape, 2).cast(DType::kBf16);
      expect_fast({rounded(fp32({1, shape[1], 1, width}, 1)), weight.clone()}, linear);
    }
  }
}

TEST(FastKernels, WeightsInInt8WithAScaleForEachRow) {
  const auto linear = [](Builder& b, const auto& v) {
    return b.ops("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}, {"scale", v[2]}});
  };
  for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{5, 7, 1, 1}, Shape{131, 100, 1, 1}}) {
    for (const int64_t width : {1, 2, 8, 9, 37}) {
      Tensor weight(DType::kInt8, shape);
      for (int64_t i = 0; i < weight.size(); ++i) {
        weight.view().set(i, static_cast<double>(i * 37 % 256 - 128));
      }
      const Tensor x = rounded(fp32({1, shape[1], 1, width}, 1));
      const Tensor scale = fp32({shape[0]}, 2, 0.001, 0.02);
      expect_fast({x.clone(), weight.clone(), scale.clone()}, linear);
    }
  }
}

// Every value of int4, with scales that are powers of two: products are bf16 numbers.
Inputs int4_weight(const Shape& shape) {
  Tensor weight(DType::kInt4, shape);
  for (int64_t i = 0; i < weight.size(); ++i) {
    packed_set(weight, i, static_cast<double>(i * 7 % 16 - 8));
  }
  Tensor scale(DType::kFp16, {shape[0], shape[1] / kInt4Group});
  for (int64_t i = 0; i < scale.size(); ++i) scale.view().set(i, std::exp2(-(i % 5)));
  Inputs inputs;
  inputs.push_back(std::move(weight));
  inputs.push_back(std::move(scale));
  return inputs;
}

// Whole numbers of which each group of a column has the largest: neither a few columns, which are
// multiples of 1/127 of it, nor many, in bf16, are changed by their rounding.
Tensor whole_numbers(int64_t channels, int64_t width) {
  Tensor x(DType::kFp32, {1, channels, 1, width});
  for (int64_t i = 0; i < x.size(); ++i) {
    x.view().set(i, i / width % kInt4Group == 5 ? 127 : static_cast<double>(i * 37 % 255 - 127));
  }
  return x;
}

TEST(FastKernels, WeightsInInt4WithAScaleForEachGroup) {
  for (const Shape& shape : {Shape{1, 32, 1, 1}, Shape{5, 96, 1, 1}, Shape{131, 288, 1, 1}}) {
    for (const int64_t width : {1, 2, 8, 9, 37}) {
      Inputs inputs = int4_weight(shape);
      inputs.push_back(whole_numbers(shape[1], width));
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.narrow_linear", {{"x", v[2]}, {"weight", v[0]}, {"scale", v[1]}});
      });
    }
  }
}

TEST(FastKernels, RowsOfATableInInt4) {
  Inputs inputs = int4_weight({6, 64});
  inputs.push_back(int32({3}, {5, 0, -2}));
  expect_fast(inputs, [](Builder& b, const auto& v) {
    return b.ops("anemone.narrow_rows", {{"table", v[0]}, {"scale", v[1]}, {"indices", v[2]}});
  });
}

// Many columns are rounded to bf16 where the processor multiplies such: each by at most 2^-8 of
// itself, hence a sum by that of the absolute values of its terms.
TEST(FastKernels, ManyColumnsOfANarrowLayerLoseNoMoreThanTheirRounding) {
  const int64_t rows = 33, columns = 100, width = 40;
  const Tensor x = fp32({1, columns, 1, width}, 1);
  const Tensor weight = fp32({rows, columns, 1, 1}, 2).cast(DType::kBf16);
  const Inputs inputs = {x.clone(), weight.clone()};
  const Function function = make_function(inputs, [](Builder& b, const auto& v) {
    return b.ops("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}});
  });
  const NamedTensors named = name_inputs(function, inputs);
  const Tensor actual = std::move(run_on_cpu(function, named).at("out0"));
  const Tensor expected = std::move(evaluate(function, named).at("out0"));
  for (int64_t i = 0; i < actual.size(); ++i) {
    double sizes = 0;
    for (int64_t c = 0; c < columns; ++c) {
      sizes +=
          std::abs(weight.view().at(i / width * columns + c) * x.view().at(c * width + i % width));
    }
    EXPECT_NEAR(actual.view().at(i), expected.view().at(i), sizes * (0x1p-8 + kFp32Tolerance));
  }
}

// Queries, keys and values of one x use one packed form of it.
TEST(FastKernels, NarrowLayersOfOneInputShareItsPackedForm) {
  const Inputs inputs = {rounded(fp32({1, 64, 1, 48}, 1)),
                         fp32({32, 64, 1, 1}, 2).cast(DType::kBf16),
                         fp32({48, 64, 1, 1}, 3).cast(DType::kBf16)};
  expect_fast(inputs, [](Builder& b, const auto& v) {
    const Value first = b.op("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}});
    return std::vector{first, b.op("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[2]}})};
  });
}

TEST(FastKernels, RowsOfATableInBf16AndTheirWidening) {
  const Tensor table = fp32({6, 5}, 1).cast(DType::kBf16);
  expect_fast({table.clone(), int32({3}, {5, 0, -2})}, [](Builder& b, const auto& v) {
    return b.ops("gather", {{"x", v[0]}, {"indices", v[1]}, {"axis", b.integer(0)}});
  });
  expect_fast({table.clone()},
              [](Builder& b, const auto& v) { return std::vector{b.cast(v[0], DType::kFp32)}; });
}

TEST(FastKernels, SwigluAndItsBackward) {
  for (const Shape& shape : {Shape{1, 3, 1, 1}, Shape{1, 13, 1, 17}, Shape{1, 65, 1, 130}}) {
    const Inputs inputs = {fp32(shape, 1, -5, 5), fp32(shape, 2), fp32(shape, 3)};
    expect_fast(inputs, [](Builder& b, const auto& v) {
      return b.ops("anemone.swiglu", {{"gate", v[0]}, {"up", v[1]}});
    });
    expect_fast(inputs, [](Builder& b, const auto& v) {
      return b.ops("anemone.swiglu_backward", {{"gate", v[0]}, {"up", v[1]}, {"dy", v[2]}});
    });
  }
}

TEST(FastKernels, RopeBothWays) {
  for (bool inverse : {false, true}) {
    for (int64_t width : {1, 7, 130}) {
      expect_fast(
          {fp32({1, 18, 1, width}, 1), fp32({1, 3, 1, width}, 2), fp32({1, 3, 1, width}, 3)},
          [&](Builder& b, const auto& v) {
            return b.ops(
                "anemone.rope",
                {{"x", v[0]}, {"cos", v[1]}, {"sin", v[2]}, {"inverse", b.boolean(inverse)}});
          });
    }
  }
}

TEST(FastKernels, RmsNormAndItsBackward) {
  for (int64_t channels : {1, 5, 33, 100}) {
    for (int64_t columns : {1, 15, 17, 65}) {
      SCOPED_TRACE(std::to_string(channels) + " x " + std::to_string(columns));
      const Shape shape = {1, channels, 1, columns};
      const Inputs inputs = {fp32(shape, 1), fp32({channels}, 2), fp32(shape, 3), fp32(shape, 4)};
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.rms_norm",
                     {{"x", v[0]}, {"weight", v[1]}, {"epsilon", b.scalar(DType::kFp32, 1e-5)}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.rms_norm_backward", {{"x", v[0]},
                                                   {"weight", v[1]},
                                                   {"dy", v[2]},
                                                   {"epsilon", b.scalar(DType::kFp32, 1e-2)}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.rms_norm_backward",
                     {{"x", v[0]}, {"weight", v[1]}, {"dy", v[2]}, {"sum", v[3]}});
      });
    }
  }
}

struct AttentionCase {
  int64_t heads, kv_heads, head_size, batch, sequence;
};

const AttentionCase kAttention[] = {{1, 1, 2, 1, 1},  {2, 2, 5, 1, 63}, {4, 2, 8, 2, 64},
                                    {3, 1, 7, 1, 65}, {6, 3, 4, 3, 33}, {4, 1, 16, 2, 130}};

TEST(FastKernels, CausalAttentionAndItsBackward) {
  for (const AttentionCase& c : kAttention) {
    SCOPED_TRACE(std::to_string(c.heads) + " heads, sequence " + std::to_string(c.sequence));
    const Shape q = {1, c.heads * c.head_size, 1, c.batch * c.sequence};
    const Shape k = {1, c.kv_heads * c.head_size, 1, c.batch * c.sequence};
    const Inputs inputs = {fp32(q, 1, -2, 2), fp32(k, 2, -2, 2), fp32(k, 3), fp32(q, 4)};
    const auto arguments = [&](Builder& b, const std::vector<Value>& v) {
      return std::vector<Argument>{{"q", v[0]},
                                   {"k", v[1]},
                                   {"v", v[2]},
                                   {"dy", v[3]},
                                   {"head_size", b.integer(c.head_size)},
                                   {"sequence", b.integer(c.sequence)}};
    };
    expect_fast(inputs, [&](Builder& b, const auto& v) {
      auto forward = arguments(b, v);
      forward.erase(forward.begin() + 3);
      return b.ops("anemone.causal_attention", forward);
    });
    expect_fast(inputs, [&](Builder& b, const auto& v) {
      return b.ops("anemone.causal_attention_backward", arguments(b, v));
    });
  }
}

// What lies in the cache beyond the position must not matter, so it is no number here.
TEST(FastKernels, DecodeAttentionFromTheFirstTokenToAFullCache) {
  constexpr int64_t kCapacity = 19, kHeads = 6, kKvHeads = 2, kSize = 5;
  const std::vector<int32_t> positions = {0, 1, 7, 18, 19};
  for (size_t i = 0; i < 3 * positions.size(); ++i) {
    const int32_t position = positions[i % positions.size()];
    const int64_t fresh = i < 5 ? 1 : i < 10 ? 2 : 7;
    SCOPED_TRACE(std::to_string(position) + " and " + std::to_string(fresh));
    const Shape cache = {1, kKvHeads, kCapacity, kSize}, k = {1, kKvHeads * kSize, 1, fresh};
    Tensor k_cache = fp32(cache, 4), v_cache = fp32(cache, 5);
    for (int64_t at = 0; at < k_cache.size(); ++at) {
      if (at / kSize % kCapacity < position) continue;
      k_cache.view().set(at, NAN);
      v_cache.view().set(at, NAN);
    }
    expect_fast({fp32({1, kHeads * kSize, 1, fresh}, 1), fp32(k, 2), fp32(k, 3), k_cache, v_cache,
                 int32({1}, {position})},
                [&](Builder& b, const auto& v) {
                  return b.ops("anemone.decode_attention", {{"q", v[0]},
                                                            {"k", v[1]},
                                                            {"v", v[2]},
                                                            {"k_cache", v[3]},
                                                            {"v_cache", v[4]},
                                                            {"position", v[5]},
                                                            {"head_size", b.integer(kSize)}});
                });
  }
}

TEST(FastKernels, DecodeAttentionRefusesAPositionBeyondTheCache) {
  const Shape one = {1, 2, 1, 1}, cache = {1, 1, 3, 2};
  const Inputs inputs = {fp32(one, 1),   fp32(one, 2),   fp32(one, 3),
                         fp32(cache, 4), fp32(cache, 5), int32({1}, {4})};
  const Function f = make_function(inputs, [](Builder& b, const auto& v) {
    return b.ops("anemone.decode_attention", {{"q", v[0]},
                                              {"k", v[1]},
                                              {"v", v[2]},
                                              {"k_cache", v[3]},
                                              {"v_cache", v[4]},
                                              {"position", v[5]},
                                              {"head_size", b.integer(2)}});
  });
  EXPECT_THAT(error_of([&] { run_on_cpu(f, name_inputs(f, inputs)); }),
              HasSubstr("position 4 is outside the cache of 3"));
}

Build conv(std::vector<int64_t> strides, std::vector<int64_t> pad) {
  return [=](Builder& b, const std::vector<Value>& v) {
    return b.ops("conv", {{"x", v[0]},
                          {"weight", v[1]},
                          {"strides", b.integers(strides)},
                          {"pad_type", b.text("custom")},
                          {"pad", b.integers(pad)},
                          {"dilations", b.integers({1, 1})},
                          {"groups", b.integer(1)}});
  };
}

TEST(FastKernels, PointwiseConvolutionAndItsGradientOnOddSizes) {
  for (int64_t width : {1, 2, 17, 65}) {
    SCOPED_TRACE(width);
    const Tensor x = fp32({1, 13, 1, width}, 1), weight = fp32({33, 13, 1, 1}, 2);
    expect_fast({x, weight}, conv({1, 1}, {0, 0, 0, 0}));
    expect_fast({fp32({1, 33, 1, width}, 3), weight}, [](Builder& b, const auto& v) {
      return b.ops("conv_transpose", {{"x", v[0]}, {"weight", v[1]}});
    });
  }
  expect_fast({fp32({1, 3, 4, 5}, 1), fp32({2, 3, 1, 1}, 2)}, conv({1, 1}, {0, 0, 0, 0}));
}

TEST(FastKernels, MatmulForEveryTranspositionAloneAndInBatches) {
  for (int mode = 0; mode < 8; ++mode) {
    const bool tx = (mode & 1) != 0, ty = (mode & 2) != 0, batched = (mode & 4) != 0;
    SCOPED_TRACE(mode);
    Shape x = tx ? Shape{17, 5} : Shape{5, 17}, y = ty ? Shape{33, 17} : Shape{17, 33};
    for (Shape* shape : {&x, &y}) {
      if (batched) shape->insert(shape->begin(), {2, 3});
    }
    expect_fast({fp32(x, 1), fp32(y, 2)}, [&](Builder& b, const auto& v) {
      return std::vector{b.matmul(v[0], v[1], tx, ty)};
    });
    if (batched) continue;
    expect_fast({fp32({5, 33}, 3), fp32(x, 1), fp32(y, 2)}, [&](Builder& b, const auto& v) {
      return b.ops("anemone.matmul_add", {{"sum", v[0]},
                                          {"x", v[1]},
                                          {"y", v[2]},
                                          {"transpose_x", b.boolean(tx)},
                                          {"transpose_y", b.boolean(ty)}});
    });
  }
}

TEST(FastKernels, MatmulOfBroadcastBatches) {
  const auto build = [](Builder& b, const auto& v) { return std::vector{b.matmul(v[0], v[1])}; };
  expect_fast({fp32({3, 2, 4}, 1), fp32({1, 4, 5}, 2)}, build);
  expect_fast({fp32({3, 2, 4}, 1), fp32({4, 5}, 2)}, build);
  expect_fast({fp32({2, 4}, 1), fp32({3, 4, 5}, 2)}, build);
  expect_fast({fp32({2, 1, 7, 4}, 1), fp32({3, 4, 5}, 2)}, build);
  expect_fast({fp32({4}, 1), fp32({4, 5}, 2)}, build, false);
}

TEST(FastKernels, Linear) {
  for (const Shape& x : {Shape{1, 7}, Shape{33, 7}, Shape{2, 3, 7}}) {
    for (const bool biased : {false, true}) {
      expect_fast({fp32(x, 1), fp32({19, 7}, 2), fp32({19}, 3)}, [&](Builder& b, const auto& v) {
        std::vector<Argument> arguments = {{"x", v[0]}, {"weight", v[1]}};
        if (biased) arguments.emplace_back("bias", v[2]);
        return b.ops("linear", std::move(arguments));
      });
    }
  }
}

Build gather_rows() {
  return [](Builder& b, const std::vector<Value>& v) {
    return b.ops("gather", {{"x", v[0]}, {"indices", v[1]}, {"axis", b.integer(0)}});
  };
}

Build scatter_rows(int64_t axis = 0) {
  return [axis](Builder& b, const std::vector<Value>& v) {
    return b.ops("scatter", {{"data", v[0]},
                             {"indices", v[1]},
                             {"updates", v[2]},
                             {"axis", b.integer(axis)},
                             {"mode", b.text("add")}});
  };
}

TEST(FastKernels, GatherAndScatterWithRepeatedAndNegativeIndices) {
  const Tensor table = fp32({6, 3, 7}, 1), indices = int32({5}, {4, 0, 4, -1, 4});
  expect_fast({table, indices}, gather_rows());
  expect_fast({table, int32({2, 3}, {1, 1, -6, 0, 5, 2})}, gather_rows());
  expect_fast({table, indices, fp32({5, 3, 7}, 2)}, scatter_rows());
  expect_fast({fp32({4}, 1), int32({2}, {1, 1}), fp32({2}, 2)}, scatter_rows());
}

TEST(FastKernels, ScatterAlongAnyAxis) {
  const Tensor table = fp32({3, 6, 7}, 1), indices = int32({5}, {4, 0, 4, -1, 4});
  expect_fast({table, indices, fp32({3, 5, 7}, 2)}, scatter_rows(1));
  expect_fast({table, indices, fp32({3, 6, 5}, 2)}, scatter_rows(2));
  expect_fast({table, indices, fp32({3, 6, 5}, 2)}, scatter_rows(-1));
  expect_fast({fp32({200, 9}, 1), indices, fp32({200, 5}, 2)}, scatter_rows(1));
}

TEST(FastKernels, GatherAndScatterRefuseIndicesOutsideTheTable) {
  for (int32_t wrong : {4, -5}) {
    const Inputs inputs = {fp32({4, 3}, 1), int32({2}, {0, wrong}), fp32({2, 3}, 2)};
    for (const Build& build : {gather_rows(), scatter_rows()}) {
      const Function f = make_function(inputs, build);
      EXPECT_THAT(error_of([&] { run_on_cpu(f, name_inputs(f, inputs)); }),
                  HasSubstr("index " + std::to_string(wrong) + " at position 1 is outside"));
    }
  }
}

}  // namespace
}  // namespace anemone
