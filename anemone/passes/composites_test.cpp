// Every composite operation gives the values and gradients of its decomposition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/ops/registry.h"
#include "anemone/passes/passes.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

NamedTensors numbered_inputs(const Inputs& inputs) {
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named["in" + std::to_string(i)] = inputs[i].tensor->clone();
  }
  return named;
}

bool has_composites(const Function& function) {
  for (const auto& op : function.operations) {
    if (is_composite(*op)) return true;
  }
  return false;
}

void expect_same_outputs(const Function& a, const Function& b, const NamedTensors& inputs) {
  const NamedTensors left = evaluate(a, inputs), right = evaluate(b, inputs);
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) {
    EXPECT_LT(compare(tensor, right.at(name)).max_absolute, 1e-12) << name;
  }
}

// Appends the gradients of the fp64 inputs of `f` for a gradient of ones at output 0.
void append_gradients(Function& f) {
  Builder builder(f);
  const Value output = f.outputs[0];
  std::vector<Value> wanted;
  for (Value input : f.inputs) {
    if (input->type.dtype == DType::kFp64) wanted.push_back(input);
  }
  const auto gradients = reverse_sweep(builder, {{output, builder.full_like(output, 1.0)}}, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    builder.output("d" + wanted[i]->name, builder.unary("identity", gradients[i]));
  }
  f.remove_unused();
}

void expect_same_values(const Inputs& inputs, const Build& build) {
  const Function composite = make_function(inputs, build);
  Function plain = composite.clone();
  ASSERT_TRUE(decompose_composites(plain));
  EXPECT_FALSE(has_composites(plain));
  expect_same_outputs(composite, plain, numbered_inputs(inputs));
}

// Values; gradients of the composite against those derived from its decomposition; the backward
// operation against its own decomposition; and finite differences.
void expect_equivalent(const Inputs& inputs, const Build& build) {
  expect_same_values(inputs, build);
  Function by_rule = make_function(inputs, build);
  Function by_decomposition = by_rule.clone();
  append_gradients(by_rule);
  decompose_composites(by_decomposition);
  append_gradients(by_decomposition);
  const NamedTensors named = numbered_inputs(inputs);
  expect_same_outputs(by_rule, by_decomposition, named);
  Function plain_rule = by_rule.clone();
  ASSERT_TRUE(decompose_composites(plain_rule));
  expect_same_outputs(by_rule, plain_rule, named);
  expect_gradients(inputs, build);
}

Tensor integers(const Shape& shape, const std::vector<int32_t>& values) {
  return Tensor::of<int32_t>(shape, values);
}

TEST(Composites, RmsNorm) {
  expect_equivalent(
      {random_tensor({1, 5, 1, 3}, 1), random_tensor({5}, 2)}, [](Builder& b, const auto& v) {
        return b.ops("anemone.rms_norm",
                     {{"x", v[0]}, {"weight", v[1]}, {"epsilon", b.scalar(DType::kFp64, 1e-3)}});
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

TEST(Composites, DecodeAttentionIsTheLastColumnOfCausalAttention) {
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
  const int32_t position = 3;
  const auto column = [&](Builder& b, Value x) {
    return b.slice_by_size(x, {0, 0, 0, position}, {1, x->type.shape[1], 1, 1});
  };
  const auto decode = [&](Builder& b, const std::vector<Value>& in) {
    return b.ops("anemone.decode_attention", {{"q", column(b, in[0])},
                                              {"k", column(b, in[1])},
                                              {"v", column(b, in[2])},
                                              {"k_cache", in[1]},
                                              {"v_cache", in[2]},
                                              {"position", in[3]},
                                              {"head_size", b.integer(size)}});
  };
  const Inputs inputs = {q, k, v, integers({1}, {position})};
  expect_same_values(inputs, decode);
  const Tensor last = std::move(run_reference(inputs, decode)[0]);
  for (int64_t c = 0; c < heads * size; ++c) {
    EXPECT_NEAR(last.at(c), whole.at(c * sequence + position), 1e-12);
  }
}

TEST(Composites, CrossEntropy) {
  const auto loss = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}})[0]};
  };
  expect_equivalent({random_tensor({1, 7, 1, 3}, 20, -3, 3), integers({3}, {6, 0, 2})}, loss);
  // Equal logits: every class has probability 1/V.
  const Tensor uniform = std::move(
      run_reference({Tensor(DType::kFp64, {1, 4, 1, 2}), integers({2}, {1, 3})}, loss)[0]);
  EXPECT_NEAR(uniform.at(0), std::log(4.0), 1e-15);
}

TEST(Composites, CrossEntropyNamesATargetOutsideTheVocabulary) {
  const auto run = [] {
    run_reference({random_tensor({1, 7, 1, 2}, 1), integers({2}, {0, 7})},
                  [](Builder& b, const auto& v) {
                    return b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}});
                  });
  };
  EXPECT_THAT(error_of(run), testing::HasSubstr("target 7 at column 1 is outside [0, 7)"));
}

std::vector<Value> classifier_loss(Builder& b, const std::vector<Value>& v) {
  return b.ops("anemone.classifier_loss", {{"x", v[0]}, {"weight", v[1]}, {"targets", v[2]}});
}
Inputs classifier_inputs(uint64_t seed) {
  return {random_tensor({1, 5, 1, 3}, seed, -2, 2), random_tensor({7, 5, 1, 1}, seed + 1, -2, 2),
          integers({3}, {6, 0, 2})};
}

TEST(Composites, ClassifierLoss) {
  const Inputs inputs = classifier_inputs(20);
  const auto loss = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{classifier_loss(b, v)[0]};
  };
  expect_equivalent(inputs, loss);
  const auto in_steps = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{
        b.ops("anemone.cross_entropy", {{"logits", b.conv1x1(v[0], v[1])}, {"targets", v[2]}})[0]};
  };
  EXPECT_NEAR(run_reference(inputs, loss)[0].at(0), run_reference(inputs, in_steps)[0].at(0),
              1e-14);
}

TEST(Composites, ClassifierWeightGradientAddsToASum) {
  const Inputs inputs = {random_tensor({1, 7, 1, 3}, 1, 0, 1), random_tensor({1, 5, 1, 3}, 2),
                         integers({3}, {6, 0, 6}), random_tensor({1}, 3),
                         random_tensor({7, 5, 1, 1}, 4)};
  const auto gradient = [](Builder& b, const std::vector<Value>& v) {
    return b.op("anemone.classifier_weight_gradient",
                {{"probabilities", v[0]}, {"x", v[1]}, {"targets", v[2]}, {"dloss", v[3]}});
  };
  const auto added = [&](Builder& b, const std::vector<Value>& v) {
    return std::vector{b.add(v[4], gradient(b, v))};
  };
  expect_same_values(inputs, added);
  Function f = make_function(inputs, added);
  const Function before = f.clone();
  ASSERT_TRUE(fuse_accumulation(f));
  EXPECT_NE(f.outputs[0]->producer->find("sum"), nullptr);
  expect_same_outputs(before, f, numbered_inputs(inputs));
  Function plain = f.clone();
  ASSERT_TRUE(decompose_composites(plain));
  expect_same_outputs(before, plain, numbered_inputs(inputs));
}

TEST(Composites, ExpectedRows) {
  expect_same_values({random_tensor({1, 7, 1, 3}, 5), random_tensor({7, 5, 1, 1}, 6)},
                     [](Builder& b, const std::vector<Value>& v) {
                       return b.ops("anemone.expected_rows", {{"x", v[0]}, {"weight", v[1]}});
                     });
}

TEST(Composites, NllLoss) {
  const auto loss = [](Builder& b, const std::vector<Value>& v) {
    return b.ops("anemone.nll_loss", {{"probabilities", v[0]}, {"targets", v[1]}});
  };
  const Inputs quarter = {Tensor::of<double>({1, 2, 1, 2}, {0.25, 0.5, 0.75, 0.5}),
                          integers({2}, {0, 1})};
  expect_same_values(quarter, loss);
  EXPECT_NEAR(run_reference(quarter, loss)[0].at(0), 1.5 * std::log(2.0), 1e-15);
  // What fp16 rounds to 0 does not make the loss infinite.
  const Inputs none = {Tensor::of<double>({1, 2, 1, 1}, {0, 1}), integers({1}, {0})};
  EXPECT_NEAR(run_reference(none, loss)[0].at(0), 25 * std::log(2.0), 1e-12);
}

TEST(Composites, SeparateClassifierLeavesConvSoftmaxAndLoss) {
  Function f = make_function(classifier_inputs(20), classifier_loss);
  const Function whole = f.clone();
  ASSERT_TRUE(separate_classifier(f));
  EXPECT_FALSE(separate_classifier(f));
  ASSERT_NE(f.outputs[0]->producer, nullptr);
  EXPECT_EQ(f.outputs[0]->producer->type, "anemone.nll_loss");
  EXPECT_EQ(f.outputs[1]->producer->type, "softmax");
  expect_same_outputs(whole, f, numbered_inputs(classifier_inputs(21)));
}

TEST(Composites, EveryOneHasADecomposition) {
  for (const OpDef* def : all_ops()) {
    EXPECT_EQ(def->name.starts_with("anemone."), def->decompose != nullptr) << def->name;
  }
}

}  // namespace
}  // namespace anemone
