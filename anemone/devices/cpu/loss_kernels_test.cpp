// The kernels of losses and their gradients, with and without targets that are ignored.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::HasSubstr;

TEST(LossKernels, CrossEntropyAndItsBackward) {
  for (int64_t vocab : {1, 7, 65, 257}) {
    for (int64_t columns : {1, 17, 33}) {
      SCOPED_TRACE(std::to_string(vocab) + " x " + std::to_string(columns));
      std::vector<int32_t> targets;
      for (int64_t s = 0; s < columns; ++s) {
        targets.push_back(static_cast<int32_t>(s * 5 % vocab));
      }
      const Inputs inputs = {fp32({1, vocab, 1, columns}, 1, -20, 20), int32({columns}, targets),
                             fp32({columns}, 2, 20, 22), fp32({1}, 3)};
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.cross_entropy_backward",
                     {{"logits", v[0]}, {"targets", v[1]}, {"log_sum_exp", v[2]}, {"dloss", v[3]}});
      });
    }
  }
}

TEST(LossKernels, ClassifierWeightGradientAndExpectedRows) {
  for (int64_t vocab : {1, 7, 65}) {
    for (int64_t columns : {1, 17, 33}) {
      SCOPED_TRACE(std::to_string(vocab) + " x " + std::to_string(columns));
      std::vector<int32_t> targets(static_cast<size_t>(columns), static_cast<int32_t>(vocab - 1));
      targets[0] = 0;
      const Inputs inputs = {fp32({1, vocab, 1, columns}, 1, 0, 1), fp32({1, 5, 1, columns}, 2),
                             int32({columns}, targets), fp32({1}, 3), fp32({vocab, 5, 1, 1}, 4)};
      const auto arguments = [](const auto& v) {
        return std::vector<Argument>{
            {"probabilities", v[0]}, {"x", v[1]}, {"targets", v[2]}, {"dloss", v[3]}};
      };
      expect_fast(inputs, [&](Builder& b, const auto& v) {
        return b.ops("anemone.classifier_weight_gradient", arguments(v));
      });
      expect_fast(inputs, [&](Builder& b, const auto& v) {
        std::vector<Argument> with_sum = arguments(v);
        with_sum.insert(with_sum.begin(), {"sum", v[4]});
        return b.ops("anemone.classifier_weight_gradient", std::move(with_sum));
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.expected_rows", {{"x", v[0]}, {"weight", v[4]}});
      });
    }
  }
}

TEST(LossKernels, CrossEntropyNamesATargetOutsideTheVocabulary) {
  for (int32_t target : {-2, 7}) {
    const Function f =
        make_function({fp32({1, 7, 1, 2}, 1), int32({2}, {0, 0})}, [](Builder& b, const auto& v) {
          return b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}});
        });
    NamedTensors inputs;
    inputs["in0"] = fp32({1, 7, 1, 2}, 1);
    inputs["in1"] = int32({2}, {0, target});
    EXPECT_THAT(error_of([&] { run_on_cpu(f, inputs, 2); }),
                HasSubstr("target " + std::to_string(target) + " at column 1 is outside [0, 7)"));
  }
}

// Every third target is ignored; or all but the last; or all.
std::vector<std::vector<int32_t>> ignoring_targets(int64_t columns, int64_t vocab) {
  std::vector<int32_t> some;
  for (int64_t s = 0; s < columns; ++s) {
    some.push_back(s % 3 == 1 ? -1 : static_cast<int32_t>(s * 5 % vocab));
  }
  std::vector<int32_t> none(static_cast<size_t>(columns), -1), last = none;
  last.back() = static_cast<int32_t>(vocab - 1);
  return {some, last, none};
}

TEST(LossKernels, LossesAndTheirGradientsLeaveIgnoredTargetsOut) {
  for (const auto& [vocab, columns] : {std::pair<int64_t, int64_t>{7, 1}, {7, 17}, {65, 33}}) {
    for (const std::vector<int32_t>& targets : ignoring_targets(columns, vocab)) {
      SCOPED_TRACE(fmt::format("{} x {}", vocab, columns));
      const Inputs inputs = {fp32({1, vocab, 1, columns}, 1, 0, 1), int32({columns}, targets),
                             fp32({columns}, 2, 4, 5), fp32({1}, 3), fp32({1, 5, 1, columns}, 4)};
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.cross_entropy", {{"logits", v[0]}, {"targets", v[1]}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.cross_entropy_backward",
                     {{"logits", v[0]}, {"targets", v[1]}, {"log_sum_exp", v[2]}, {"dloss", v[3]}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.classifier_weight_gradient",
                     {{"probabilities", v[0]}, {"x", v[4]}, {"targets", v[1]}, {"dloss", v[3]}});
      });
      expect_fast(inputs, [](Builder& b, const auto& v) {
        return b.ops("anemone.target_shares", {{"targets", v[1]}, {"dloss", v[3]}});
      });
    }
  }
}

TEST(LossKernels, GradientsOfIgnoredColumnsAreExactlyZero) {
  const Function f = make_function(
      {fp32({1, 65, 1, 4}, 1, 0, 1), int32({4}, {3, -1, 64, -1}), fp32({4}, 2, 4, 5), fp32({1}, 3)},
      [](Builder& b, const auto& v) {
        return b.ops("anemone.cross_entropy_backward",
                     {{"logits", v[0]}, {"targets", v[1]}, {"log_sum_exp", v[2]}, {"dloss", v[3]}});
      });
  NamedTensors inputs;
  inputs["in0"] = fp32({1, 65, 1, 4}, 1, 0, 1);
  inputs["in1"] = int32({4}, {3, -1, 64, -1});
  inputs["in2"] = fp32({4}, 2, 4, 5);
  inputs["in3"] = fp32({1}, 3);
  const NamedTensors outputs = run_on_cpu(f, inputs, 2);
  const auto dlogits = outputs.at("out0").as<float>();
  for (size_t i = 0; i < dlogits.size(); ++i) EXPECT_EQ(dlogits[i] == 0, i % 2 == 1) << i;
}

}  // namespace
}  // namespace anemone
