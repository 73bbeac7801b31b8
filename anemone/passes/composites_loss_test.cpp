// Losses as operations: values and gradients of their decompositions, and targets that do not
// count.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/passes/passes.h"
#include "anemone/passes/testing/composite_testing.h"

namespace anemone {
namespace {

TEST(LossComposites, CrossEntropy) {
  const auto loss = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}})[0]};
  };
  expect_equivalent({random_tensor({1, 7, 1, 3}, 20, -3, 3), integers({3}, {6, 0, 2})}, loss);
  // Equal logits: every class has probability 1/V.
  const Tensor uniform = std::move(
      run_reference({Tensor(DType::kFp64, {1, 4, 1, 2}), integers({2}, {1, 3})}, loss)[0]);
  EXPECT_NEAR(uniform.at(0), std::log(4.0), 1e-15);
}

TEST(LossComposites, CrossEntropyNamesATargetOutsideTheVocabulary) {
  const auto run = [] {
    run_reference({random_tensor({1, 7, 1, 2}, 1), integers({2}, {0, 7})},
                  [](Builder& b, const auto& v) {
                    return b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}});
                  });
  };
  EXPECT_THAT(error_of(run), testing::HasSubstr("target 7 at column 1 is outside [0, 7)"));
}

TEST(LossComposites, CrossEntropyOverSomeColumnsIsTheMeanOverThoseThatCount) {
  const auto loss = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}})[0]};
  };
  for (const std::vector<int32_t>& targets :
       {std::vector{6, -1, 2}, std::vector{-1, -1, 4}, std::vector{-1, -1, -1}}) {
    expect_equivalent({random_tensor({1, 7, 1, 3}, 20, -3, 3), integers({3}, targets)}, loss);
  }
  // Column 0: two equal logits; column 2: 1/4 and 3/4. Column 1 would add log 1000.
  const Tensor logits =
      Tensor::of<double>({1, 2, 1, 3}, {0, std::log(999.0), 0, 0, 0, std::log(3.0)});
  const Tensor mean = std::move(run_reference({logits, integers({3}, {0, -1, 1})}, loss)[0]);
  EXPECT_NEAR(mean.at(0), (std::log(2.0) + std::log(4.0 / 3)) / 2, 1e-15);
  EXPECT_EQ(run_reference({logits, integers({3}, {-1, -1, -1})}, loss)[0].at(0), 0);
}

std::vector<Value> classifier_loss(Builder& b, const std::vector<Value>& v) {
  return b.ops("anemone.classifier_loss", {{"x", v[0]}, {"weight", v[1]}, {"targets", v[2]}});
}
Inputs classifier_inputs(uint64_t seed) {
  return {random_tensor({1, 5, 1, 3}, seed, -2, 2), random_tensor({7, 5, 1, 1}, seed + 1, -2, 2),
          integers({3}, {6, 0, 2})};
}

TEST(LossComposites, ClassifierLoss) {
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

// Softmax, loss and gradients written out over columns 0 and 2, of three.
TEST(LossComposites, ClassifierLossWithATargetIgnoredHasGradientsOfTheOtherColumnsAlone) {
  const int64_t channels = 5, vocab = 7, columns = 3;
  Inputs inputs = classifier_inputs(20);
  const int32_t targets[] = {6, -1, 2};
  inputs[2] = integers({3}, {6, -1, 2});
  Function f = make_function(inputs, classifier_loss);
  append_gradients(f);
  const NamedTensors found = evaluate(f, numbered_inputs(inputs));
  const auto x = inputs[0].tensor->as<double>(), w = inputs[1].tensor->as<double>();
  std::vector<double> dx(x.size()), dw(w.size());
  double loss = 0;
  for (int64_t s : {0, 2}) {
    std::vector<double> p(vocab);
    double sum = 0;
    for (int64_t v = 0; v < vocab; ++v) {
      double logit = 0;
      for (int64_t c = 0; c < channels; ++c) logit += w[v * channels + c] * x[c * columns + s];
      sum += p[v] = std::exp(logit);
    }
    loss -= std::log(p[targets[s]] / sum) / 2;
    for (int64_t v = 0; v < vocab; ++v) {
      const double dlogit = (p[v] / sum - (v == targets[s])) / 2;
      for (int64_t c = 0; c < channels; ++c) {
        dx[c * columns + s] += dlogit * w[v * channels + c];
        dw[v * channels + c] += dlogit * x[c * columns + s];
      }
    }
  }
  EXPECT_NEAR(found.at("out0").at(0), loss, 1e-14);
  for (size_t i = 0; i < dx.size(); ++i) {
    EXPECT_NEAR(found.at("din0").as<double>()[i], dx[i], 1e-14) << i;
  }
  for (size_t i = 0; i < dw.size(); ++i) {
    EXPECT_NEAR(found.at("din1").as<double>()[i], dw[i], 1e-14) << i;
  }
  for (int64_t c = 0; c < channels; ++c) EXPECT_EQ(found.at("din0").at(c * columns + 1), 0);
}

TEST(LossComposites, ClassifierLossWithTargetsIgnoredIsThatOfItsParts) {
  for (const std::vector<int32_t>& targets :
       {std::vector{6, -1, 2}, std::vector{-1, 3, -1}, std::vector{-1, -1, -1}}) {
    Inputs inputs = classifier_inputs(30);
    inputs[2] = integers({3}, targets);
    expect_equivalent(inputs, [](Builder& b, const std::vector<Value>& v) {
      return std::vector{classifier_loss(b, v)[0]};
    });
    expect_same_values(inputs, [](Builder& b, const std::vector<Value>& v) {
      const Value p = b.softmax(b.conv1x1(v[0], v[1]), 1);
      return b.ops("anemone.nll_loss", {{"probabilities", p}, {"targets", v[2]}});
    });
  }
}

TEST(LossComposites, TargetSharesDivideTheGradientAmongTheColumnsThatCount) {
  const auto shares = [](Builder& b, const std::vector<Value>& v) {
    return std::vector{b.op("anemone.target_shares", {{"targets", v[0]}, {"dloss", v[1]}})};
  };
  const Tensor dloss = Tensor::of<double>({1}, {6});
  const auto of = [&](const std::vector<int32_t>& targets) {
    const Inputs inputs = {integers({4}, targets), dloss};
    expect_same_values(inputs, shares);
    return values(run_reference(inputs, shares)[0]);
  };
  EXPECT_THAT(of({0, 1, 0, 5}), testing::Each(1.5));
  EXPECT_THAT(of({0, -1, 3, 9}), testing::ElementsAre(2, 0, 2, 2));
  EXPECT_THAT(of({-1, -1, -1, -1}), testing::Each(0));
}

TEST(LossComposites, TargetsOtherThanClassesAndMinusOneAreRefused) {
  for (const int32_t target : {-2, 7}) {
    Inputs inputs = classifier_inputs(20);
    inputs[2] = integers({3}, {6, 0, target});
    EXPECT_THAT(error_of([&] { run_reference(inputs, classifier_loss); }),
                testing::HasSubstr(fmt::format("target {} at column 2 is outside [0, 7)", target)));
  }
}

TEST(LossComposites, ClassifierWeightGradientAddsToASum) {
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

TEST(LossComposites, ExpectedRows) {
  expect_same_values({random_tensor({1, 7, 1, 3}, 5), random_tensor({7, 5, 1, 1}, 6)},
                     [](Builder& b, const std::vector<Value>& v) {
                       return b.ops("anemone.expected_rows", {{"x", v[0]}, {"weight", v[1]}});
                     });
}

TEST(LossComposites, NllLoss) {
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

TEST(LossComposites, SeparateClassifierLeavesConvSoftmaxAndLoss) {
  Function f = make_function(classifier_inputs(20), classifier_loss);
  const Function whole = f.clone();
  ASSERT_TRUE(separate_classifier(f));
  EXPECT_FALSE(separate_classifier(f));
  ASSERT_NE(f.outputs[0]->producer, nullptr);
  EXPECT_EQ(f.outputs[0]->producer->type, "anemone.nll_loss");
  EXPECT_EQ(f.outputs[1]->producer->type, "softmax");
  expect_same_outputs(whole, f, numbered_inputs(classifier_inputs(21)));
}

}  // namespace
}  // namespace anemone
