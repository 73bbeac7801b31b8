// Kernels of arrays of any rank: maps, broadcasting, pooling, reductions, norms, copies.
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

TEST(ArrayKernels, FunctionsOfOneOperand) {
  for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{1, 5, 1, 1021}}) {
    for (const char* op : {"abs", "erf", "gelu", "relu6", "square"}) {
      SCOPED_TRACE(op + to_string(shape));
      expect_fast({fp32(shape, 1, -7, 7)},
                  [&](Builder& b, const auto& v) { return std::vector{b.unary(op, v[0])}; });
    }
    for (const char* op : {"sqrt", "rsqrt", "inverse"}) {
      expect_fast({fp32(shape, 1, 0.1, 4)},
                  [&](Builder& b, const auto& v) { return std::vector{b.unary(op, v[0])}; });
    }
    for (const char* mode : {"EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"}) {
      expect_fast({fp32(shape, 1, -5, 5)}, [&](Builder& b, const auto& v) {
        return b.ops("gelu", {{"x", v[0]}, {"mode", b.text(mode)}});
      });
    }
    for (const char* op : {"leaky_relu", "elu", "threshold"}) {
      expect_fast({fp32(shape, 1, -3, 3)}, [&](Builder& b, const auto& v) {
        return b.ops(op, {{"x", v[0]}, {"alpha", b.scalar(DType::kFp32, 0.25)}});
      });
    }
    for (const char* op : {"clip", "sigmoid_hard", "linear_activation", "clamped_relu"}) {
      expect_fast({fp32(shape, 1, -3, 3)}, [&](Builder& b, const auto& v) {
        return b.ops(op, {{"x", v[0]},
                          {"alpha", b.scalar(DType::kFp32, 0.25)},
                          {"beta", b.scalar(DType::kFp32, 0.75)}});
      });
    }
  }
}

TEST(ArrayKernels, LimitsOfEqualZeros) {
  const Inputs x = {Tensor::of<float>({4}, {-0.0f, 0.0f, 1, -1})};
  const std::pair<double, double> limits[] = {{-0.0, 1}, {0.0, 1}, {-1, -0.0}, {-1, 0.0}};
  {
    for (const auto& [low, high] : limits) {
      const Function f = make_function(x, [&, low = low, high = high](Builder& b, const auto& v) {
        return b.ops("clip", {{"x", v[0]},
                              {"alpha", b.scalar(DType::kFp32, low)},
                              {"beta", b.scalar(DType::kFp32, high)}});
      });
      const NamedTensors in = name_inputs(f, x);
      const auto got = values(run_on_cpu(f, in).at("out0")),
                 want = values(evaluate(f, in).at("out0"));
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(std::signbit(got[i]), std::signbit(want[i])) << low << high << i;
      }
    }
  }
}

TEST(ArrayKernels, OperandsThatBroadcast) {
  const std::pair<Shape, Shape> shapes[] = {{{2, 3, 5, 7}, {1, 3, 1, 1}},
                                            {{1, 3, 1, 1}, {2, 3, 5, 7}},
                                            {{3, 1}, {1, 5}},
                                            {{}, {3}},
                                            {{4, 1, 300}, {1, 6, 1}},
                                            {{2, 1, 5, 1}, {3, 1, 70}},
                                            {{7}, {4, 7}},
                                            {{1}, {1}},
                                            {{1, 5000}, {1, 1}},
                                            {{3, 4}, {3, 4}}};
  for (const char* op : {"add", "sub", "mul", "real_div", "maximum", "minimum"}) {
    for (const auto& [x, y] : shapes) {
      SCOPED_TRACE(op + to_string(x) + to_string(y));
      expect_fast({fp32(x, 1), fp32(y, 2, 0.5, 2)},
                  [&](Builder& b, const auto& v) { return std::vector{b.binary(op, v[0], v[1])}; });
    }
  }
}

struct PoolCase {
  Shape x;
  std::vector<int64_t> kernel, strides, pad;
  bool ceil = false;
};

TEST(ArrayKernels, PoolingBySmallAndLargeWindows) {
  const PoolCase cases[] = {
      {{1, 3, 15, 17}, {3, 3}, {2, 2}, {1, 1, 1, 1}},
      {{2, 5, 7, 7}, {2, 2}, {1, 1}, {0, 0, 0, 0}},
      {{1, 2, 40, 70}, {3, 2}, {1, 2}, {1, 0, 0, 1}},
      {{1, 3, 13, 11}, {3, 3}, {2, 2}, {1, 1, 1, 1}, true},
      {{2, 3, 7, 7}, {7, 7}, {1, 1}, {0, 0, 0, 0}},
      {{1, 2, 20, 19}, {15, 12}, {2, 3}, {4, 5, 6, 1}},
      {{1, 2, 3, 3}, {30000, 30000}, {30000, 30000}, {29999, 0, 29999, 0}},
      {{3, 2, 19}, {4}, {3}, {1, 2}},
      {{1, 2, 5, 6, 7}, {2, 3, 2}, {2, 1, 2}, {0, 1, 1, 1, 0, 0}},
  };
  for (const PoolCase& c : cases) {
    for (const char* op : {"max_pool", "avg_pool", "l2_pool"}) {
      for (const bool excludes : {false, true}) {
        if (excludes && std::string(op) != "avg_pool") continue;
        SCOPED_TRACE(op + to_string(c.x) + to_string(c.kernel));
        const Build build = [&](Builder& b, const std::vector<Value>& v) {
          std::vector<Argument> arguments = {{"x", v[0]},
                                             {"kernel_sizes", b.integers(c.kernel)},
                                             {"strides", b.integers(c.strides)},
                                             {"pad_type", b.text("custom")},
                                             {"pad", b.integers(c.pad)},
                                             {"ceil_mode", b.boolean(c.ceil)}};
          if (excludes) {
            arguments.insert(arguments.end() - 1,
                             {"exclude_padding_from_average", b.boolean(true)});
          }
          return b.ops(op, std::move(arguments));
        };
        expect_fast({fp32(c.x, 1)}, build);
      }
    }
  }
}

TEST(ArrayKernels, ReductionsOverAnyAxes) {
  const std::pair<Shape, std::vector<int64_t>> cases[] = {
      {{2, 3, 5, 7}, {2, 3}},   {{2, 3, 5, 7}, {0, 2, 3}}, {{2, 3, 5, 7}, {0, 3}},
      {{2, 3, 5, 7}, {0, 2}},   {{2, 3, 5, 7}, {1}},       {{40, 70}, {0}},
      {{3, 1000}, {-1}},        {{1, 1}, {0, 1}},          {{2, 1, 5, 1}, {1, 2}},
      {{2, 3, 4, 5, 6}, {1, 3}}};
  for (const auto& [shape, axes] : cases) {
    for (const char* op : {"reduce_sum", "reduce_mean", "reduce_max", "reduce_min"}) {
      SCOPED_TRACE(op + to_string(shape) + to_string(axes));
      expect_fast({fp32(shape, 1, 0.1, 1)}, [&, &axes = axes](Builder& b, const auto& v) {
        return std::vector{b.reduce(op, v[0], axes, false)};
      });
    }
  }
  expect_fast({fp32({2, 3, 5, 7}, 1)}, [](Builder& b, const auto& v) {
    return std::vector{b.reduce("reduce_sum_square", v[0], {2, 3}, true)};
  });
}

TEST(ArrayKernels, SoftmaxAndNorms) {
  for (const Shape& shape : {Shape{2, 5, 7, 9}, Shape{1, 3, 1, 33}, Shape{3, 4, 11}}) {
    const Tensor x = fp32(shape, 1, -2, 5), gamma = fp32({shape[1]}, 2), beta = fp32({shape[1]}, 3);
    for (int64_t axis : {-1, 1, 0}) {
      expect_fast({x},
                  [&](Builder& b, const auto& v) { return std::vector{b.softmax(v[0], axis)}; });
    }
    expect_fast(
        {x, fp32({shape[1]}, 4), fp32({shape[1]}, 5, 0.1, 2), gamma, beta},
        [](Builder& b, const auto& v) {
          return b.ops(
              "batch_norm",
              {{"x", v[0]}, {"mean", v[1]}, {"variance", v[2]}, {"gamma", v[3]}, {"beta", v[4]}});
        });
    expect_fast({x, gamma, beta}, [](Builder& b, const auto& v) {
      return b.ops("instance_norm", {{"x", v[0]}, {"gamma", v[1]}, {"beta", v[2]}});
    });
    const Tensor last = fp32({shape.back()}, 2);
    expect_fast({x, last, last}, [](Builder& b, const auto& v) {
      return b.ops("layer_norm",
                   {{"x", v[0]}, {"axes", b.integers({-1})}, {"gamma", v[1]}, {"beta", v[2]}});
    });
  }
}

TEST(ArrayKernels, TransposesOfAnyRank) {
  const std::pair<Shape, std::vector<int64_t>> cases[] = {{{2, 3, 5, 7}, {0, 2, 3, 1}},
                                                          {{2, 3, 5, 7}, {3, 2, 1, 0}},
                                                          {{2, 33, 40}, {1, 0, 2}},
                                                          {{100, 7}, {1, 0}},
                                                          {{2, 3}, {0, 1}},
                                                          {{2, 17, 1, 19}, {0, 3, 2, 1}},
                                                          {{5}, {0}},
                                                          {{2, 3, 4, 5, 6}, {4, 0, 3, 1, 2}}};
  for (const auto& [shape, perm] : cases) {
    SCOPED_TRACE(to_string(shape) + to_string(perm));
    expect_fast({fp32(shape, 1)}, [&, &axes = perm](Builder& b, const auto& v) {
      return std::vector{b.transpose(v[0], axes)};
    });
  }
}

TEST(ArrayKernels, SlicesJoinsAndPads) {
  const Inputs x = {fp32({3, 8, 5, 7}, 1), fp32({3, 2, 5, 7}, 2)};
  for (int64_t axis : {0, 1, -1}) {
    expect_fast({fp32({3, 8, 5}, 1), fp32({3, 8, 5}, 2)}, [&](Builder& b, const auto& v) {
      return std::vector{b.concat({v[0], v[1], v[0]}, axis)};
    });
  }
  expect_fast(x, [](Builder& b, const auto& v) { return b.split(v[0], {1, 5, 2}, 1); });
  expect_fast(x, [](Builder& b, const auto& v) {
    return std::vector{b.slice_by_size(v[0], {1, 2, 0, 3}, {2, 5, 5, 1})};
  });
  expect_fast(x, [](Builder& b, const auto& v) {
    return b.ops("slice_by_index", {{"x", v[0]},
                                    {"begin", b.integers({-2, 1, 0, 0})},
                                    {"end", b.integers({3, 8, 4, 7})},
                                    {"stride", b.integers({1, 3, 2, 1})}});
  });
  expect_fast(x, [](Builder& b, const auto& v) {
    return b.ops("pad", {{"x", v[0]},
                         {"pad", b.integers({1, 0, 2, 3})},
                         {"mode", b.text("constant")},
                         {"constant_val", b.scalar(DType::kFp32, 1.5)}});
  });
}

}  // namespace
}  // namespace anemone
