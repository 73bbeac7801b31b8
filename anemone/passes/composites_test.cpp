// Every composite operation gives the values and gradients of its decomposition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/testing/composite_testing.h"

namespace anemone {
namespace {

TEST(Composites, RmsNorm) {
  expect_equivalent(
      {random_tensor({1, 5, 1, 3}, 1), random_tensor({5}, 2)}, [](Builder& b, const auto& v) {
        return b.ops("anemone.rms_norm",
                     {{"x", v[0]}, {"weight", v[1]}, {"epsilon", b.scalar(DType::kFp64, 1e-3)}});
      });
}

TEST(Composites, RmsNormBackwardWithASum) {
  expect_same_values({random_tensor({1, 5, 1, 3}, 1), random_tensor({5}, 2),
                      random_tensor({1, 5, 1, 3}, 3), random_tensor({1, 5, 1, 3}, 4)},
                     [](Builder& b, const auto& v) {
                       return b.ops("anemone.rms_norm_backward",
                                    {{"x", v[0]}, {"weight", v[1]}, {"dy", v[2]}, {"sum", v[3]}});
                     });
}

TEST(Composites, RmsNormBackwardRefusesASumOfAnotherShape) {
  const Inputs inputs = {random_tensor({1, 5, 1, 3}, 1), random_tensor({5}, 2),
                         random_tensor({1, 5, 1, 3}, 3), random_tensor({1, 5, 1, 4}, 4)};
  EXPECT_THROW(run_reference(inputs,
                             [](Builder& b, const auto& v) {
                               return b.ops(
                                   "anemone.rms_norm_backward",
                                   {{"x", v[0]}, {"weight", v[1]}, {"dy", v[2]}, {"sum", v[3]}});
                             }),
               Error);
}

TEST(Composites, NarrowLinear) {
  expect_same_values({random_tensor({1, 5, 1, 3}, 1), random_tensor({4, 5, 1, 1}, 2)},
                     [](Builder& b, const auto& v) {
                       return b.ops("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}});
                     });
}

TEST(Composites, NarrowLinearOfInt8) {
  std::vector<int8_t> numbers;
  for (int i = 0; i < 20; ++i) numbers.push_back(static_cast<int8_t>(13 * i - 127));
  expect_same_values(
      {random_tensor({1, 5, 1, 3}, 1), Tensor::of<int8_t>({4, 5, 1, 1}, numbers),
       random_tensor({4}, 2)},
      [](Builder& b, const auto& v) {
        return b.ops("anemone.narrow_linear", {{"x", v[0]}, {"weight", v[1]}, {"scale", v[2]}});
      });
}

TEST(Composites, Swiglu) {
  expect_equivalent({random_tensor({1, 4, 1, 3}, 3), random_tensor({1, 4, 1, 3}, 4)},
                    [](Builder& b, const auto& v) {
                      return b.ops("anemone.swiglu", {{"gate", v[0]}, {"up", v[1]}});
                    });
}

TEST(Composites, RopeBothWays) {
  for (bool inverse : {false, true}) {
    const auto rope = [&](Builder& b, const std::vector<Value>& v, Value cosine, Value sine) {
      return b.ops("anemone.rope",
                   {{"x", v[0]}, {"cos", cosine}, {"sin", sine}, {"inverse", b.boolean(inverse)}});
    };
    expect_equivalent({random_tensor({1, 12, 1, 3}, 5)}, [&](Builder& b, const auto& v) {
      return rope(b, v, b.constant(random_tensor({1, 2, 1, 3}, 6)),
                  b.constant(random_tensor({1, 2, 1, 3}, 7)));
    });
  }
}

TEST(Composites, RopeTurnsPairsByTheirAngle) {
  const Tensor x = Tensor::of<double>({1, 2, 1, 1}, {1, 0});
  const Tensor y = run_one({x}, [](Builder& b, const auto& v) {
    return b.op("anemone.rope", {{"x", v[0]},
                                 {"cos", b.constant(Tensor::of<double>({1, 1, 1, 1}, {0.6}))},
                                 {"sin", b.constant(Tensor::of<double>({1, 1, 1, 1}, {0.8}))}});
  });
  EXPECT_THAT(values(y), testing::ElementsAre(0.6, 0.8));
}

TEST(Composites, MatmulAdd) {
  for (bool tx : {false, true}) {
    for (bool ty : {false, true}) {
      expect_equivalent({random_tensor({3, 4}, 8), random_tensor(tx ? Shape{2, 3} : Shape{3, 2}, 9),
                         random_tensor(ty ? Shape{4, 2} : Shape{2, 4}, 10)},
                        [=](Builder& b, const auto& v) {
                          return b.ops("anemone.matmul_add", {{"sum", v[0]},
                                                              {"x", v[1]},
                                                              {"y", v[2]},
                                                              {"transpose_x", b.boolean(tx)},
                                                              {"transpose_y", b.boolean(ty)}});
                        });
    }
  }
}

TEST(Composites, CausalAttentionWithSharedKeyHeadsAndSeveralSequences) {
  struct Case {
    int64_t heads, kv_heads, batch;
  };
  for (const Case c : {Case{2, 2, 1}, Case{4, 2, 1}, Case{3, 1, 2}}) {
    const int64_t size = 4, sequence = 3, width = c.batch * sequence;
    expect_equivalent({random_tensor({1, c.heads * size, 1, width}, 11),
                       random_tensor({1, c.kv_heads * size, 1, width}, 12),
                       random_tensor({1, c.kv_heads * size, 1, width}, 13)},
                      [&](Builder& b, const auto& v) {
                        return b.ops("anemone.causal_attention",
                                     {{"q", v[0]},
                                      {"k", v[1]},
                                      {"v", v[2]},
                                      {"head_size", b.integer(size)},
                                      {"sequence", b.integer(sequence)}});
                      });
  }
}

TEST(Composites, CausalAttentionDoesNotSeeTheFuture) {
  Tensor v = random_tensor({1, 2, 1, 3}, 14);
  const auto attend = [&](const Tensor& values_in) {
    return run_one({random_tensor({1, 2, 1, 3}, 15), random_tensor({1, 2, 1, 3}, 16), values_in},
                   [](Builder& b, const auto& in) {
                     return b.op("anemone.causal_attention", {{"q", in[0]},
                                                              {"k", in[1]},
                                                              {"v", in[2]},
                                                              {"head_size", b.integer(2)},
                                                              {"sequence", b.integer(3)}});
                   });
  };
  const Tensor before = attend(v);
  v.as<double>()[2] = 100;  // channel 0 of the last token
  const Tensor after = attend(v);
  EXPECT_EQ(before.at(0), after.at(0));
  EXPECT_EQ(before.at(1), after.at(1));
  EXPECT_NE(before.at(2), after.at(2));
}

TEST(Composites, DecodeAttentionGivesTheNextColumnsOfCausalAttention) {
  const int64_t size = 2, heads = 4, kv = 2, sequence = 5;
  const Tensor q = random_tensor({1, heads * size, 1, sequence}, 17);
  const Tensor k = random_tensor({1, kv * size, 1, sequence}, 18);
  const Tensor v = random_tensor({1, kv * size, 1, sequence}, 19);
  const Tensor whole = run_one({q, k, v}, [&](Builder& b, const auto& in) {
    return b.op("anemone.causal_attention", {{"q", in[0]},
                                             {"k", in[1]},
                                             {"v", in[2]},
                                             {"head_size", b.integer(size)},
                                             {"sequence", b.integer(sequence)}});
  });
  for (const int64_t fresh : {1, 2, 3}) {
    SCOPED_TRACE(fresh);
    const auto position = static_cast<int32_t>(sequence - fresh - 1);
    const auto columns = [&](Builder& b, Value x) {
      return b.slice_by_size(x, {0, 0, 0, position}, {1, x->type.shape[1], 1, fresh});
    };
    const auto cache = [&](Builder& b, Value x) {
      return b.transpose(b.reshape(x, {1, kv, size, sequence}), {0, 1, 3, 2});
    };
    const auto decode = [&](Builder& b, const std::vector<Value>& in) {
      return b.ops("anemone.decode_attention", {{"q", columns(b, in[0])},
                                                {"k", columns(b, in[1])},
                                                {"v", columns(b, in[2])},
                                                {"k_cache", cache(b, in[1])},
                                                {"v_cache", cache(b, in[2])},
                                                {"position", in[3]},
                                                {"head_size", b.integer(size)}});
    };
    const Inputs inputs = {q, k, v, integers({1}, {position})};
    expect_same_values(inputs, decode);
    const Tensor last = std::move(run_reference(inputs, decode)[0]);
    for (int64_t c = 0; c < heads * size; ++c) {
      for (int64_t t = 0; t < fresh; ++t) {
        EXPECT_NEAR(last.at(c * fresh + t), whole.at(c * sequence + position + t), 1e-12);
      }
    }
  }
}

TEST(Composites, EveryOneHasADecomposition) {
  for (const OpDef* def : all_ops()) {
    EXPECT_EQ(def->name.starts_with("anemone."), def->decompose != nullptr) << def->name;
  }
}

}  // namespace
}  // namespace anemone
