// How the next token is picked.
#include "anemone/generate/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "anemone/base/error.h"

namespace anemone {
namespace {

constexpr int kDraws = 10000;
constexpr double kTolerance = 0.02;  // four standard deviations of a frequency near 1/2

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<double> frequencies(const SamplerOptions& options, const std::vector<float>& logits) {
  Sampler sampler(options);
  std::vector<double> result(logits.size());
  for (int i = 0; i < kDraws; ++i) result[static_cast<size_t>(sampler.pick(logits))] += 1;
  for (double& frequency : result) frequency /= kDraws;
  return result;
}

std::set<int> ids_drawn(const SamplerOptions& options, const std::vector<float>& logits) {
  const std::vector<double> drawn = frequencies(options, logits);
  std::set<int> ids;
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i] > 0) ids.insert(static_cast<int>(i));
  }
  return ids;
}

void expect_near(const std::vector<double>& drawn, const std::vector<double>& expected) {
  for (size_t i = 0; i < drawn.size(); ++i) EXPECT_NEAR(drawn[i], expected[i], kTolerance) << i;
}

TEST(Sampler, IdsBeyondTheVocabularyAreNeverDrawn) {
  // Rows that fill a model up have logits too, here the largest.
  const std::vector<float> logits = {0, 1, 0, 9, 9};
  EXPECT_EQ(Sampler({.temperature = 0, .vocabulary = 3}).pick(logits), 1);
  EXPECT_EQ(Sampler({.top_k = 1, .vocabulary = 3}).pick(logits), 1);
  EXPECT_EQ(ids_drawn({.vocabulary = 3}, logits), (std::set{0, 1, 2}));
  EXPECT_EQ(ids_drawn({.top_k = 2, .top_p = 0.99, .vocabulary = 3}, logits), (std::set{0, 1}));
  EXPECT_EQ(ids_drawn({.temperature = 9, .vocabulary = 10}, logits), (std::set{0, 1, 2, 3, 4}));
}

TEST(Sampler, GreedyTakesTheFirstOfEqualMaxima) {
  const std::vector<float> logits = {-1, 2, 5, 5, 4.9f};
  EXPECT_EQ(Sampler({.temperature = 0}).pick(logits), 2);
  EXPECT_EQ(Sampler({.temperature = 3, .top_k = 1}).pick(logits), 2);
  // The most probable token is kept however small p is.
  EXPECT_EQ(ids_drawn({.top_p = 1e-9}, logits), std::set<int>{2});
  EXPECT_EQ(ids_drawn({.top_p = 1e-30}, std::vector<float>(1000, 0.1f)), std::set<int>{0});
}

TEST(Sampler, TopKKeepsTheKMostProbable) {
  const std::vector<float> logits = {0, 3, 1, 3, 2, 3};
  EXPECT_EQ(ids_drawn({.top_k = 2}, logits), (std::set<int>{1, 3}));  // the first of equals
  EXPECT_EQ(ids_drawn({.top_k = 4}, logits), (std::set<int>{1, 3, 4, 5}));
  EXPECT_EQ(ids_drawn({.top_k = 0}, logits).size(), 6u);
  EXPECT_EQ(ids_drawn({.top_k = 100}, logits).size(), 6u);
  // What is kept is made to sum to 1.
  expect_near(frequencies({.top_k = 2}, logits_of({0.1, 0.6, 0.3})), {0, 2. / 3, 1. / 3});
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesP) {
  const std::vector<float> logits = logits_of({0.15, 0.5, 0.05, 0.3});
  EXPECT_EQ(ids_drawn({.top_p = 0.49}, logits), (std::set<int>{1}));
  EXPECT_EQ(ids_drawn({.top_p = 0.51}, logits), (std::set<int>{1, 3}));
  EXPECT_EQ(ids_drawn({.top_p = 0.79}, logits), (std::set<int>{1, 3}));
  EXPECT_EQ(ids_drawn({.top_p = 0.81}, logits), (std::set<int>{0, 1, 3}));
  EXPECT_EQ(ids_drawn({.top_p = 1}, logits).size(), 4u);
  expect_near(frequencies({.top_p = 0.7}, logits), {0, 0.625, 0, 0.375});
}

TEST(Sampler, TopPCountsProbabilitiesAfterTopK) {
  // Of the best two, 0.5 and 0.3, the first alone has 0.625.
  const std::vector<float> logits = logits_of({0.15, 0.5, 0.05, 0.3});
  EXPECT_EQ(ids_drawn({.top_k = 2, .top_p = 0.6}, logits), (std::set<int>{1}));
  EXPECT_EQ(ids_drawn({.top_k = 2, .top_p = 0.65}, logits), (std::set<int>{1, 3}));
}

TEST(Sampler, FrequenciesAreTheSoftmaxAtTheTemperature) {
  const std::vector<float> logits = logits_of({0.2, 0.1, 0.7});
  expect_near(frequencies({.temperature = 1}, logits), {0.2, 0.1, 0.7});
  // p^(1/T), normalised: squares at T = 1/2, roots at T = 2.
  expect_near(frequencies({.temperature = 0.5}, logits), {0.04 / 0.54, 0.01 / 0.54, 0.49 / 0.54});
  expect_near(frequencies({.temperature = 2}, logits), {0.2799, 0.1979, 0.5236});
}

TEST(Sampler, LargeLogitsDoNotOverflow) {
  expect_near(frequencies({}, {3e38f, -3e38f, 3e38f}), {0.5, 0, 0.5});
  expect_near(frequencies({.temperature = 1e-300}, {1, 2}), {0, 1});
}

TEST(Sampler, SameSeedSameDraws) {
  const std::vector<float> logits(50, 1.0f);
  Sampler first({.seed = 9}), second({.seed = 9}), other({.seed = 10});
  int same = 0;
  for (int i = 0; i < 100; ++i) {
    const int id = first.pick(logits);
    EXPECT_EQ(second.pick(logits), id);
    same += other.pick(logits) == id;
  }
  EXPECT_LT(same, 20);
}

TEST(Sampler, FollowsAnotherOneFromWhereItIs) {
  const std::vector<float> logits(50, 1.0f);
  Sampler first({.seed = 9}), second({.seed = 10});
  first.pick(logits);
  second.follow(first);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(second.pick(logits), first.pick(logits));
}

// 32000 of about the same probability, against the definition.
TEST(Sampler, ALargeVocabularyIsCutWhereItsSortedSumReachesP) {
  std::vector<float> logits(32000);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(i * 7919 % 32000) * 1e-4f;
  }
  std::vector<double> sorted(logits.begin(), logits.end());
  std::ranges::sort(sorted, std::greater<>());
  double sum = 0, reached = 0;
  for (double logit : sorted) sum += std::exp(logit);
  size_t count = 0;
  while (reached < 0.4 * sum) reached += std::exp(sorted[count++]);
  Sampler sampler({.top_p = 0.4});
  for (int i = 0; i < 100; ++i) {
    EXPECT_GE(logits[static_cast<size_t>(sampler.pick(logits))],
              static_cast<float>(sorted[count - 1]));
  }
}

TEST(Sampler, ARefusedValueNamesItsFlag) {
  const auto flag_of = [](const SamplerOptions& options) -> std::string {
    try {
      const Sampler sampler(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
      return error.where();
    }
    return "no error";
  };
  for (double value : {-0.1, double{NAN}, double{INFINITY}}) {
    EXPECT_EQ(flag_of({.temperature = value}), "--temperature") << value;
  }
  EXPECT_EQ(flag_of({.top_k = -1}), "--top-k");
  for (double value : {0.0, -1.0, 1.01, double{NAN}}) {
    EXPECT_EQ(flag_of({.top_p = value}), "--top-p") << value;
  }
  EXPECT_EQ(flag_of({}), "no error");
}

}  // namespace
}  // namespace anemone
