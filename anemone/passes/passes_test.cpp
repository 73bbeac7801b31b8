#include "anemone/passes/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/verify.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;

std::vector<std::string> operations(const Function& f) {
  std::vector<std::string> types;
  for (const auto& op : f.operations) {
    if (op->type != "const") types.push_back(op->type);
  }
  return types;
}

// Runs the pass; the function must stay valid and give the same outputs under the same names.
bool apply(bool (*pass)(Function&), Function& f, const Inputs& inputs) {
  const Function before = f.clone();
  const bool changed = pass(f);
  EXPECT_EQ(changed, !structurally_equal(before, f));
  for (const Diagnostic& diagnostic : verify(f)) ADD_FAILURE() << diagnostic.message;
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named["in" + std::to_string(i)] = inputs[i].tensor->clone();
  }
  const NamedTensors expected = evaluate(before, named), actual = evaluate(f, named);
  EXPECT_EQ(expected.size(), actual.size());
  for (const auto& [name, tensor] : expected) {
    EXPECT_TRUE(actual.contains(name)) << name;
    if (actual.contains(name)) {
      EXPECT_LT(compare(actual.at(name), tensor).max_absolute, 1e-12) << name;
    }
  }
  return changed;
}

// The operations that are left after fuse_accumulation.
std::vector<std::string> fused(const Inputs& inputs, const BuildOne& build) {
  Function f =
      make_function(inputs, [&](Builder& b, const auto& v) { return std::vector{build(b, v)}; });
  apply(fuse_accumulation, f, inputs);
  return operations(f);
}

// --- compare_halves ---

TEST(CompareHalves, AMaximumInFp16IsEqualToTheElementThatItIsOf) {
  const Tensor x = Tensor::of<float>({3}, {0.1F, 0.3F, 0.2F});
  Tensor maximum = Tensor::of<float>({1}, {0.3F}).cast(DType::kFp16).cast(DType::kFp32);
  Function f("main", "ios17");
  Builder b(f);
  b.output("same", b.cast(b.binary("equal", b.input("x", DType::kFp32, {3}),
                                   b.input("y", DType::kFp32, {1})),
                          DType::kFp32));
  NamedTensors inputs;
  inputs["x"] = x.clone();
  inputs["y"] = maximum.clone();
  EXPECT_THAT(values(evaluate(f, inputs).at("same")), ElementsAre(0, 0, 0));
  EXPECT_TRUE(compare_halves(f));
  EXPECT_THAT(verify(f), testing::IsEmpty());
  EXPECT_THAT(values(evaluate(f, inputs).at("same")), ElementsAre(0, 1, 0));
}

// --- separate_bias ---

TEST(SeparateBias, AConvolutionWithABiasIsOneWithoutAndASum) {
  const Inputs inputs = {random_tensor({2, 3, 5, 4}, 1), random_tensor({6, 3, 2, 2}, 2),
                         random_tensor({6}, 3)};
  Function f = make_function(inputs, [](Builder& b, const auto& v) {
    return std::vector{b.op("conv", {{"x", v[0]}, {"weight", v[1]}, {"bias", v[2]}})};
  });
  EXPECT_TRUE(apply(separate_bias, f, inputs));
  EXPECT_THAT(operations(f), ElementsAre("conv", "reshape", "add"));
  EXPECT_FALSE(apply(separate_bias, f, inputs));
}

// --- fold_constants ---

TEST(FoldConstants, ComputesWhatDependsOnConstantsAlone) {
  const Inputs inputs = {random_tensor({2, 2}, 1)};
  Function f = make_function(inputs, [](Builder& b, const auto& v) {
    const Value c = b.constant(random_tensor({2, 2}, 2));
    return std::vector{b.add(v[0], b.transpose(b.unary("exp", c), {1, 0}))};
  });
  EXPECT_TRUE(apply(fold_constants, f, inputs));
  EXPECT_THAT(operations(f), ElementsAre("add"));
  EXPECT_FALSE(apply(fold_constants, f, inputs));
}

TEST(FoldConstants, FoldedOutputsKeepTheirNamesEvenWhereTheyAreEqual) {
  Function f = make_function({}, [](Builder& b, const auto&) {
    const Value c = b.constant(random_tensor({3}, 1));
    return std::vector{b.unary("exp", c), b.unary("exp", c), c};
  });
  EXPECT_TRUE(apply(fold_constants, f, {}));
}

TEST(FoldConstants, LeavesLargeResultsAndWeightsThatAreNotLoaded) {
  Function large = make_function({}, [](Builder& b, const auto&) {
    return std::vector{b.fill(DType::kFp64, {1 << 10, (1 << 10) + 1}, 0)};
  });
  EXPECT_FALSE(fold_constants(large));
  Function unloaded("main", "ios18");
  Builder b(unloaded);
  Literal literal{Type::tensor(DType::kFp32, {2}), nullptr, {}, {}, BlobRef{"w.bin", 64}};
  b.output("y", b.unary("exp", b.constant(std::move(literal))));
  EXPECT_FALSE(fold_constants(unloaded));
}

// --- fuse_accumulation ---

TEST(FuseAccumulation, TheWeightGradientOfAConvolutionIsAddedByTheProduct) {
  EXPECT_THAT(
      fused({random_tensor({3, 4, 1, 1}, 1), random_tensor({3, 5}, 2), random_tensor({4, 5}, 3)},
            [](Builder& b, const auto& v) {
              const Value product = b.matmul(v[1], v[2], false, true);
              return b.add(v[0], b.reshape(product, {3, 4, 1, 1}));
            }),
      ElementsAre("reshape", "anemone.matmul_add", "reshape"));
}

TEST(FuseAccumulation, TheGradientOfAnEmbeddingIsScatteredIntoTheSum) {
  EXPECT_THAT(
      fused({random_tensor({5, 3}, 1), Tensor::of<int32_t>({2}, {4, 4}), random_tensor({2, 3}, 2)},
            [](Builder& b, const auto& v) {
              return b.add(v[0], b.op("scatter", {{"data", b.fill(DType::kFp64, {5, 3}, 0)},
                                                  {"indices", v[1]},
                                                  {"updates", v[2]},
                                                  {"axis", b.integer(0)},
                                                  {"mode", b.text("add")}}));
            }),
      ElementsAre("scatter"));
}

TEST(FuseAccumulation, AScatterIntoOtherThanZerosOrThatReplacesStays) {
  for (bool zeros : {false, true}) {
    EXPECT_THAT(
        fused(
            {random_tensor({5, 3}, 1), Tensor::of<int32_t>({2}, {4, 1}), random_tensor({2, 3}, 2)},
            [&](Builder& b, const auto& v) {
              const Value data = b.fill(DType::kFp64, {5, 3}, zeros ? 0 : 1);
              return b.add(v[0], b.op("scatter", {{"data", data},
                                                  {"indices", v[1]},
                                                  {"updates", v[2]},
                                                  {"axis", b.integer(0)},
                                                  {"mode", b.text(zeros ? "update" : "add")}}));
            }),
        ElementsAre("fill", "scatter", "add"));
  }
}

TEST(FuseAccumulation, ASumThatIsComputedABatchOrABroadcastStays) {
  const Tensor x = random_tensor({2, 2}, 1), batch = random_tensor({2, 2, 2}, 2);
  EXPECT_THAT(fused({x, x},
                    [](Builder& b, const auto& v) {
                      const Value sum = b.unary("exp", v[0]);
                      return b.add(sum, b.matmul(v[1], v[1]));
                    }),
              ElementsAre("exp", "matmul", "add"));
  EXPECT_THAT(fused({batch, batch},
                    [](Builder& b, const auto& v) { return b.add(v[0], b.matmul(v[1], v[1])); }),
              ElementsAre("matmul", "add"));
  EXPECT_THAT(fused({random_tensor({2}, 3), x},
                    [](Builder& b, const auto& v) { return b.add(v[0], b.matmul(v[1], v[1])); }),
              ElementsAre("matmul", "add"));
}

TEST(FuseAccumulation, IntegersStay) {
  const Tensor x = Tensor::of<int32_t>({2, 2}, {1, 2, 3, 4});
  EXPECT_THAT(
      fused({x, x}, [](Builder& b, const auto& v) { return b.add(v[0], b.matmul(v[1], v[1])); }),
      ElementsAre("matmul", "add"));
}

TEST(FuseAccumulation, AProductThatIsAlsoUsedElsewhereIsNotComputedTwice) {
  const Tensor x = random_tensor({2, 2}, 1);
  EXPECT_THAT(fused({x, x},
                    [](Builder& b, const auto& v) {
                      const Value product = b.matmul(v[1], v[1]);
                      return b.mul(b.add(v[0], product), product);
                    }),
              ElementsAre("matmul", "add", "mul"));
}

// --- order_arguments ---

// --- narrow_weights ---

Function embedding_and_linear() {
  Function f("f", "ios18");
  Builder b(f);
  const Value tokens = b.input("tokens", DType::kInt32, {2});
  const Value table = b.input("table", DType::kFp32, {6, 4});
  const Value weight = b.input("weight", DType::kFp32, {3, 4, 1, 1});
  const Value scale = b.input("scale", DType::kFp32, {4});
  const Value square = b.input("square", DType::kFp32, {2, 4});
  const Value rows = b.op("gather", {{"x", table}, {"indices", tokens}, {"axis", b.integer(0)}});
  const Value scaled = b.mul(b.add(rows, square), scale);
  const Value x = b.reshape(b.transpose(scaled, {1, 0}), {1, 4, 1, 2});
  b.output("y", b.conv1x1(x, weight));
  return f;
}

TEST(NarrowWeights, OnlyWhatLinearLayersAndGathersReadIsStoredInFewerBits) {
  Function f = embedding_and_linear();
  const std::vector<std::string> weights = {"table", "weight", "scale", "square"};
  EXPECT_TRUE(narrow_weights(f, weights, DType::kBf16));
  for (const Diagnostic& diagnostic : verify(f)) ADD_FAILURE() << diagnostic.message;
  std::map<std::string, DType> types;
  for (Value input : f.inputs) types[input->name] = input->type.dtype;
  EXPECT_EQ(types["table"], DType::kBf16);
  EXPECT_EQ(types["weight"], DType::kBf16);
  EXPECT_EQ(types["scale"], DType::kFp32) << "a vector";
  EXPECT_EQ(types["square"], DType::kFp32) << "added to something";
  EXPECT_THAT(operations(f), ElementsAre("gather", "cast", "add", "mul", "transpose", "reshape",
                                         "anemone.narrow_linear"));
}

TEST(NarrowWeights, TheValuesAreThoseOfRoundedWeights) {
  NamedTensors inputs;
  inputs["tokens"] = Tensor::of<int32_t>({2}, {5, 1});
  for (const auto& [name, shape] : {std::pair<const char*, Shape>{"table", {6, 4}},
                                    {"weight", {3, 4, 1, 1}},
                                    {"scale", {4}},
                                    {"square", {2, 4}}}) {
    inputs[name] = random_tensor(shape, 3).cast(DType::kFp32);
  }
  Function f = embedding_and_linear();
  const std::vector<std::string> weights = {"table", "weight"};
  narrow_weights(f, weights, DType::kBf16);
  for (const std::string& name : weights) inputs[name] = inputs[name].cast(DType::kBf16);
  const NamedTensors actual = evaluate(f, inputs);
  for (const std::string& name : weights) inputs[name] = inputs[name].cast(DType::kFp32);
  const NamedTensors expected = evaluate(embedding_and_linear(), inputs);
  EXPECT_LT(compare(actual.at("y"), expected.at("y")).max_absolute, 1e-6);
}

// Whole numbers of the function's int8 weights, times their scales.
TEST(NarrowWeights, InInt8EveryRowIsScaledByANumberOfItsOwn) {
  Function f = embedding_and_linear();
  const std::vector<std::string> weights = {"table", "weight", "scale", "square"};
  EXPECT_TRUE(narrow_weights(f, weights, DType::kInt8));
  for (const Diagnostic& diagnostic : verify(f)) ADD_FAILURE() << diagnostic.message;
  NamedTensors inputs, wide;
  wide["tokens"] = Tensor::of<int32_t>({2}, {5, 1});
  for (Value input : f.inputs) {
    const Shape& shape = input->type.shape;
    if (input->type.dtype == DType::kInt8) {
      const std::string& name = input->name;
      inputs[name] = Tensor(DType::kInt8, shape);
      wide[name] = Tensor(DType::kFp32, shape);
      const Tensor scale = random_tensor({shape[0]}, 4).cast(DType::kFp32);
      const int64_t columns = inputs[name].size() / shape[0];
      for (int64_t i = 0; i < inputs[name].size(); ++i) {
        inputs[name].view().set(i, static_cast<double>(i * 61 % 255 - 127));
        wide[name].view().set(i, inputs[name].at(i) * scale.at(i / columns));
      }
      inputs[name + "_scale"] = scale.clone();
    } else if (input->name == "scale" || input->name == "square") {
      wide[input->name] = random_tensor(shape, 3).cast(DType::kFp32);
    }
  }
  EXPECT_EQ(inputs.size(), 4u) << "two matrices and their scales";
  for (const auto& [name, tensor] : wide) inputs.emplace(name, tensor.clone());
  const NamedTensors actual = evaluate(f, inputs);
  const NamedTensors expected = evaluate(embedding_and_linear(), wide);
  EXPECT_LT(compare(actual.at("y"), expected.at("y")).relative_norm, 1e-6);
}

TEST(NarrowWeights, OfAChainBindTheScalesOfEveryUse) {
  StageChain chain;
  chain.stages.push_back({embedding_and_linear(), "", "y", {"table", "weight", "scale", "square"}});
  chain.uses.push_back({0, "first", {"t1", "w1", "s1", "q1"}});
  chain.uses.push_back({0, "second", {"t2", "w2", "s2", "q2"}});
  narrow_weights(chain, DType::kInt8);
  EXPECT_THAT(chain.stages[0].weights,
              ElementsAre("table", "weight", "scale", "square", "table_scale", "weight_scale"));
  EXPECT_THAT(chain.uses[1].parameters,
              ElementsAre("t2", "w2", "s2", "q2", "t2.scale", "w2.scale"));
}

TEST(OrderArguments, PutsThemIntoTheOrderOfTheParameters) {
  const Inputs inputs = {random_tensor({2, 3}, 1), random_tensor({2, 4}, 2)};
  Function f = make_function(inputs, [](Builder& b, const auto& v) {
    return std::vector{b.matmul(v[0], v[1], true, false)};
  });
  EXPECT_FALSE(apply(order_arguments, f, inputs));
  auto& arguments = f.operations.back()->arguments;
  std::reverse(arguments.begin(), arguments.end());
  EXPECT_TRUE(apply(order_arguments, f, inputs));
  std::vector<std::string> names;
  for (const Argument& argument : f.operations.back()->arguments) names.push_back(argument.name);
  EXPECT_THAT(names, ElementsAre("x", "y", "transpose_x", "transpose_y"));
}

// --- fuse_sums ---

std::vector<std::string> with_sums_fused(const Inputs& inputs, const Build& build) {
  Function f = make_function(inputs, build);
  apply(fuse_sums, f, inputs);
  return operations(f);
}

// x [1, 3, 1, 5], a weight to 4 channels, one from 3 to 4 turned round, and y [1, 4, 1, 5].
Inputs linear_inputs() {
  return {random_tensor({1, 3, 1, 5}, 1), random_tensor({4, 3, 1, 1}, 2),
          random_tensor({3, 4, 1, 1}, 3), random_tensor({1, 4, 1, 5}, 4)};
}

Value turned_round(Builder& b, Value x, Value weight) {
  return b.op("conv_transpose", {{"x", x}, {"weight", weight}});
}

const std::vector<std::string> kFusedSum = {"reshape", "reshape", "reshape", "anemone.matmul_add",
                                            "reshape"};

TEST(FuseSums, AResidualConnectionIsAddedByTheProduct) {
  for (const bool product_first : {false, true}) {
    EXPECT_EQ(with_sums_fused(linear_inputs(),
                              [&](Builder& b, const auto& v) {
                                const Value y = b.conv1x1(v[0], v[1]);
                                return std::vector{product_first ? b.add(y, v[3]) : b.add(v[3], y)};
                              }),
              kFusedSum);
  }
}

TEST(FuseSums, OfTwoProductsOneAddsToTheOther) {
  EXPECT_THAT(with_sums_fused(linear_inputs(),
                              [](Builder& b, const auto& v) {
                                return std::vector{b.add(turned_round(b, v[0], v[2]),
                                                         turned_round(b, v[0], v[2]))};
                              }),
              testing::Contains("anemone.matmul_add").Times(1));
}

TEST(FuseSums, AProductThatIsReadTwiceOrReturnedStays) {
  EXPECT_THAT(with_sums_fused(linear_inputs(),
                              [](Builder& b, const auto& v) {
                                const Value y = b.conv1x1(v[0], v[1]);
                                return std::vector{b.add(v[3], y), y};
                              }),
              ElementsAre("conv", "add"));
  EXPECT_THAT(with_sums_fused(linear_inputs(),
                              [](Builder& b, const auto& v) {
                                const Value y = b.conv1x1(v[0], v[1]);
                                return std::vector{b.add(y, y)};
                              }),
              ElementsAre("conv", "add"));
}

TEST(FuseSums, AWeightThatIsWrittenInPlaceStays) {
  Function f("f", "ios18");
  Builder b(f);
  const Value x = b.input("in0", DType::kFp64, {1, 3, 1, 5});
  const Value y = b.conv1x1(x, b.constant(random_tensor({3, 3, 1, 1}, 2)));
  for (Argument& argument : y->producer->arguments) {
    if (argument.name != "weight") continue;
    argument.operands = {Operand(*constant_of(argument.operands[0].value))};
  }
  b.output("out0", b.add(x, y));
  apply(fuse_sums, f, {random_tensor({1, 3, 1, 5}, 1)});
  EXPECT_THAT(operations(f), ElementsAre("conv", "add"));
}

TEST(FuseSums, ABroadcastSumAndAConvolutionThatIsNoLinearLayerStay) {
  EXPECT_THAT(with_sums_fused({linear_inputs()[0], linear_inputs()[1], random_tensor({4, 1, 1}, 5)},
                              [](Builder& b, const auto& v) {
                                return std::vector{b.add(b.conv1x1(v[0], v[1]), v[2])};
                              }),
              ElementsAre("conv", "add"));
  EXPECT_THAT(with_sums_fused({random_tensor({1, 3, 2, 5}, 1), random_tensor({4, 3, 1, 1}, 2),
                               random_tensor({1, 4, 2, 5}, 3)},
                              [](Builder& b, const auto& v) {
                                return std::vector{b.add(v[2], b.conv1x1(v[0], v[1]))};
                              }),
              ElementsAre("conv", "add"));
}

// dx and dweight of a norm of [1, 3, 1, 5].
std::vector<Value> norm_gradients(Builder& b, const std::vector<Value>& v) {
  return b.ops("anemone.rms_norm_backward", {{"x", v[0]}, {"weight", v[1]}, {"dy", v[2]}});
}

Inputs norm_inputs() {
  return {random_tensor({1, 3, 1, 5}, 1), random_tensor({3}, 2), random_tensor({1, 3, 1, 5}, 3)};
}

TEST(FuseSums, ANormsGradientIsAddedToWhatIsThereBefore) {
  for (const bool norm_first : {false, true}) {
    EXPECT_THAT(with_sums_fused(norm_inputs(),
                                [&](Builder& b, const auto& v) {
                                  const std::vector<Value> d = norm_gradients(b, v);
                                  const Value dx =
                                      norm_first ? b.add(d[0], v[2]) : b.add(v[2], d[0]);
                                  return std::vector{dx, d[1]};
                                }),
                ElementsAre("anemone.rms_norm_backward"));
  }
}

TEST(FuseSums, ANormsGradientThatIsReadTwiceOrHasASumOrComesFirstStays) {
  EXPECT_THAT(with_sums_fused(norm_inputs(),
                              [](Builder& b, const auto& v) {
                                const std::vector<Value> d = norm_gradients(b, v);
                                return std::vector{b.add(d[0], v[2]), d[0]};
                              }),
              ElementsAre("anemone.rms_norm_backward", "add"));
  EXPECT_THAT(with_sums_fused(norm_inputs(),
                              [](Builder& b, const auto& v) {
                                const std::vector<Value> d = norm_gradients(b, v);
                                return std::vector{b.add(b.add(d[0], v[2]), v[0])};
                              }),
              ElementsAre("anemone.rms_norm_backward", "add"));
  EXPECT_THAT(with_sums_fused(norm_inputs(),
                              [](Builder& b, const auto& v) {
                                const std::vector<Value> d = norm_gradients(b, v);
                                return std::vector{b.add(b.unary("exp", v[0]), d[0])};
                              }),
              ElementsAre("anemone.rms_norm_backward", "exp", "add"));
}

}  // namespace
}  // namespace anemone
