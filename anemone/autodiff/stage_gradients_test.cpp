// Forward, backward and weight gradient of a stage give what one sweep over the whole stage gives.
#include "anemone/autodiff/stage_gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/model/transformer.h"
#include "anemone/ops/query.h"
#include "anemone/ops/verify.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kExact = 1e-12, kFiniteDifference = 1e-6, kStep = 1e-5;

void merge(NamedTensors& into, const NamedTensors& from) {
  for (const auto& [name, tensor] : from) into[name] = tensor.clone();
}

// Those of `all` that the function takes.
NamedTensors inputs_of(const Function& function, const NamedTensors& all) {
  NamedTensors named;
  for (Value input : function.inputs) named[input->name] = all.at(input->name).clone();
  return named;
}

// A stage in fp64 with everything that its three functions are given.
class StageCheck {
 public:
  StageCheck(Stage stage, NamedTensors integers, std::vector<std::string> without_gradient = {})
      : stage_(std::move(stage)), without_(std::move(without_gradient)) {
    uint64_t seed = 1;
    merge(given_, integers);
    for (Value input : stage_.function.inputs) {
      if (given_.contains(input->name)) continue;
      given_[input->name] = random_tensor(input->type.shape, ++seed);
      given_["d" + input->name + "_sum"] = random_tensor(input->type.shape, ++seed);
    }
    for (Value output : stage_.function.outputs) {
      given_["d" + output->name] = random_tensor(output->type.shape, ++seed);
    }
    if (!stage_.data_input.empty()) data_ = {stage_.data_input};
    parts_ = differentiate_stage(stage_.function, data_, stage_.weights, without_);
  }

  const StageGradients& parts() const { return parts_; }

  void run() {
    expect_well_formed();
    const NamedTensors expected = sweep();
    NamedTensors all;
    merge(all, given_);
    for (const Function* part : {&parts_.forward, &parts_.backward, &parts_.weight_gradient}) {
      if (part == &parts_.backward && data_.empty()) continue;
      merge(all, evaluate(*part, inputs_of(*part, all)));
    }
    for (const std::string& name : data_) expect_near(all, expected, name, false);
    for (const std::string& name : stage_.weights) expect_near(all, expected, name, true);
    for (const std::string& name : data_) expect_finite_differences(expected, name);
    for (const std::string& name : stage_.weights) expect_finite_differences(expected, name);
  }

 private:
  void expect_well_formed() const {
    for (const Function* part : {&parts_.forward, &parts_.backward, &parts_.weight_gradient}) {
      if (part == &parts_.backward && data_.empty()) continue;
      for (const Diagnostic& d : verify(*part)) ADD_FAILURE() << part->name << ": " << d.message;
    }
    const auto kept = [](const Function& f, const std::vector<std::string>& taps) {
      for (const std::string& tap : taps) {
        const Value value = f.find(tap);
        ASSERT_NE(value, nullptr) << tap;
        ASSERT_NE(value->producer, nullptr) << tap;
        EXPECT_NE(value->producer->type, "const") << tap;
        EXPECT_FALSE(is_view(*value->producer)) << tap;
      }
    };
    kept(parts_.forward, parts_.forward_taps);
    kept(parts_.backward, parts_.backward_taps);
  }

  bool has_seed(Value output) const {
    return is_float(output->type.dtype) &&
           std::find(without_.begin(), without_.end(), output->name) == without_.end();
  }

  // "d<name>" of every data input and weight, by one sweep.
  NamedTensors sweep() const {
    Function whole = stage_.function.clone();
    Builder b(whole);
    std::vector<std::pair<Value, Value>> seeds;
    for (Value output : whole.outputs) {
      if (has_seed(output))
        seeds.emplace_back(output, b.constant(given_.at("d" + output->name).clone()));
    }
    std::vector<Value> wanted;
    for (const auto* names : {&data_, &stage_.weights}) {
      for (const std::string& name : *names) wanted.push_back(whole.find(name));
    }
    const auto gradients = reverse_sweep(b, seeds, wanted);
    whole.outputs.clear();
    for (size_t i = 0; i < wanted.size(); ++i) {
      b.output("gradient of " + wanted[i]->name, b.unary("identity", gradients[i]));
    }
    return evaluate(whole, inputs_of(whole, given_));
  }

  void expect_near(const NamedTensors& all, const NamedTensors& expected, const std::string& name,
                   bool accumulated) const {
    const Tensor& gradient = all.at("d" + name);
    const Tensor& reference = expected.at("gradient of " + name);
    ASSERT_EQ(gradient.size(), reference.size());
    for (int64_t i = 0; i < gradient.size(); ++i) {
      const double sum = accumulated ? all.at("d" + name + "_sum").at(i) : 0;
      EXPECT_NEAR(gradient.at(i), sum + reference.at(i), kExact * (1 + std::abs(reference.at(i))))
          << name << "[" << i << "]";
    }
  }

  // sum of seeds * outputs
  double objective() const {
    const NamedTensors outputs = evaluate(stage_.function, inputs_of(stage_.function, given_));
    double sum = 0;
    for (Value output : stage_.function.outputs) {
      if (!has_seed(output)) continue;
      const Tensor &seed = given_.at("d" + output->name), &value = outputs.at(output->name);
      for (int64_t i = 0; i < seed.size(); ++i) sum += seed.at(i) * value.at(i);
    }
    return sum;
  }

  // A few elements of every input.
  void expect_finite_differences(const NamedTensors& gradients, const std::string& name) {
    const Tensor& x = given_.at(name);
    for (int64_t i = 0; i < x.size(); i += 1 + x.size() / 5) {
      const double saved = x.at(i);
      x.view().set(i, saved + kStep);
      const double above = objective();
      x.view().set(i, saved - kStep);
      const double below = objective();
      x.view().set(i, saved);
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(gradients.at("gradient of " + name).at(i), expected,
                  kFiniteDifference * std::max(1.0, std::abs(expected)))
          << name << "[" << i << "]";
    }
  }

  Stage stage_;
  std::vector<std::string> without_, data_;
  NamedTensors given_;
  StageGradients parts_{Function("", ""), Function("", ""), Function("", ""), {}, {}};
};

// x [1, 3, 1, 4] and weights w, u [3, 3, 1, 1] → y.
Stage small_stage(const std::function<Value(Builder&, Value x, Value w, Value u)>& build) {
  Stage stage{Function("stage", "ios18"), "x", "y", {"w", "u"}};
  Builder b(stage.function);
  const Value x = b.input("x", DType::kFp64, {1, 3, 1, 4});
  const Value w = b.input("w", DType::kFp64, {3, 3, 1, 1});
  const Value u = b.input("u", DType::kFp64, {3, 3, 1, 1});
  b.output("y", build(b, x, w, u));
  return stage;
}

TEST(StageGradients, OfAResidualStage) {
  StageCheck(small_stage([](Builder& b, Value x, Value w, Value u) {
               const Value hidden = b.unary("silu", b.conv1x1(x, w));
               return b.add(x, b.conv1x1(hidden, u));
             }),
             {})
      .run();
}

TEST(StageGradients, OfAStageWhoseDataGradientIsItsSeed) {
  StageCheck check(small_stage([](Builder& b, Value x, Value w, Value u) {
                     const Value bias = b.reduce_sum(b.mul(w, u), {1}, false);
                     return b.add(x, b.reshape(bias, {1, 3, 1, 1}));
                   }),
                   {});
  check.run();
  EXPECT_THAT(check.parts().backward_taps, IsEmpty());
}

TEST(StageGradients, OfAWeightThatIsUsedTwice) {
  StageCheck(small_stage([](Builder& b, Value x, Value w, Value u) {
               return b.conv1x1(b.unary("tanh", b.conv1x1(b.conv1x1(x, w), u)), w);
             }),
             {})
      .run();
}

TEST(StageGradients, OfAStageWithSplitsAndViews) {
  StageCheck(small_stage([](Builder& b, Value x, Value w, Value u) {
               const auto parts = b.split(b.conv1x1(x, w), {1, 2}, 1);
               const Value gated = b.mul(parts[1], b.unary("sigmoid", parts[0]));
               const Value joined = b.concat({gated, b.unary("exp", parts[0])}, 1);
               return b.conv1x1(b.reshape(b.reshape(joined, {3, 4}), {1, 3, 1, 4}), u);
             }),
             {})
      .run();
}

TEST(StageGradients, WhatBothGradientsNeedIsComputedOnce) {
  StageCheck check(small_stage([](Builder& b, Value x, Value w, Value u) {
                     return b.conv1x1(b.unary("tanh", b.conv1x1(x, w)), u);
                   }),
                   {});
  check.run();
  ASSERT_EQ(check.parts().backward_taps.size(), 1u);  // the gradient after tanh
  for (const auto& op : check.parts().weight_gradient.operations) {
    EXPECT_NE(op->type, "conv_transpose");
  }
}

TEST(StageGradients, RefusesAWeightThatTheOutputDoesNotDependOn) {
  const Stage stage =
      small_stage([](Builder& b, Value x, Value w, Value) { return b.conv1x1(x, w); });
  EXPECT_THAT(error_of([&] { differentiate_stage(stage.function, {"x"}, stage.weights); }),
              HasSubstr("its outputs do not depend on u"));
}

// --- the stages of a Llama, in fp64 ---

TransformerConfig tiny_config() {
  TransformerConfig config;
  config.vocab_size = 7;
  config.dim = 6;
  config.hidden_dim = 5;
  config.layers = 1;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_size = 2;
  config.max_sequence = 8;
  return config;
}

void widen(Function& function) {
  const auto widen_value = [](Value value) {
    if (value->type.dtype == DType::kFp32) value->type.dtype = DType::kFp64;
  };
  for (Value input : function.inputs) widen_value(input);
  for (const auto& op : function.operations) {
    for (Value output : op->outputs) widen_value(output);
    if (op->type != "const") continue;
    Literal& literal = op->attributes[0].value;
    if (literal.tensor && literal.tensor->dtype() == DType::kFp32) {
      literal = Literal::of(literal.tensor->cast(DType::kFp64));
    }
  }
}

TEST(StageGradients, OfEveryStageOfALlamaWithSharedKeyHeads) {
  constexpr int64_t kBatch = 2, kSequence = 3;
  StageChain chain = training_chain(tiny_config(), kBatch, kSequence, OutputHead::kLoss);
  for (Stage& stage : chain.stages) {
    SCOPED_TRACE(stage.function.name);
    widen(stage.function);
    NamedTensors integers;
    for (const char* name : {"tokens", "targets"}) {
      if (!stage.function.find(name)) continue;
      integers[name] = Tensor::of<int32_t>({kBatch * kSequence}, {6, 0, 3, 3, 1, 6});
    }
    StageCheck(std::move(stage), std::move(integers), {"log_sum_exp"}).run();
  }
}

TEST(StageGradients, AFirstStageHasNoDataAndItsTapsAreOnlyInputs) {
  const Stage embed = embed_stage(tiny_config(), 4).stage;
  const StageGradients parts = differentiate_stage(embed.function, {}, embed.weights);
  EXPECT_THAT(parts.backward.outputs, IsEmpty());
  EXPECT_THAT(parts.forward_taps, IsEmpty());
  std::vector<std::string> names;
  for (Value input : parts.weight_gradient.inputs) names.push_back(input->name);
  EXPECT_THAT(names, ElementsAre("tokens", "dy", "dembed_tokens_sum"));
}

}  // namespace
}  // namespace anemone
