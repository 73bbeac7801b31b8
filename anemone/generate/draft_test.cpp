// A draft changes how fast a text comes, and nothing else.
#include "anemone/generate/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/generate/testing/tiny_model.h"

namespace anemone {
namespace {

using namespace generate_testing;  // NOLINT: helpers of this folder

const SamplerOptions kGreedy = {.temperature = 0};

// The text of `model` with a draft by `other`.
Generated with_draft(Model& model, Generator&& other, int64_t proposed, int64_t tokens,
                     const SamplerOptions& options, const std::vector<int>& stops = kNoStops) {
  Generator generator = model.generator();
  Draft draft(other, proposed, options);
  return generate(generator, kPrompt, tokens, options, stops, {}, &draft);
}

TEST(Draft, GivesTheGreedyTextWhoeverDrafts) {
  Model model(/*tied=*/false), unlike, int8(/*tied=*/false);
  int8.round_to(DType::kInt8, /*keep=*/true);
  const std::vector<int> expected = greedy_by_hand(model, 13);
  for (const int64_t proposed : {1, 2, 3, 7}) {
    SCOPED_TRACE(proposed);
    for (const int64_t tokens : {0, 1, 2, 9, 13}) {
      const std::vector<int> start(expected.begin(), expected.begin() + tokens);
      EXPECT_EQ(with_draft(model, model.generator(), proposed, tokens, kGreedy).ids, start);
      EXPECT_EQ(with_draft(model, unlike.generator(), proposed, tokens, kGreedy).ids, start);
      EXPECT_EQ(
          with_draft(model, int8.generator(kCapacity, DType::kInt8), proposed, tokens, kGreedy).ids,
          start);
    }
  }
}

TEST(Draft, GivesTheSampledTextOfTheSameSeed) {
  Model model(/*tied=*/false), unlike;
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const SamplerOptions options = {.temperature = 2, .seed = seed};
    Generator alone = model.generator();
    const Generated expected = generate(alone, kPrompt, 12, options, kNoStops);
    EXPECT_EQ(with_draft(model, model.generator(), 3, 12, options).ids, expected.ids);
    EXPECT_EQ(with_draft(model, unlike.generator(), 3, 12, options).ids, expected.ids);
  }
}

TEST(Draft, StopsBeforeAStopIdThatItProposedToo) {
  Model model(/*tied=*/false);
  const std::vector<int> expected = greedy_by_hand(model, 8);
  const auto end = std::ranges::find(expected, expected[2]);
  ASSERT_EQ(end - expected.begin(), 2);
  EXPECT_EQ(with_draft(model, model.generator(), 3, 8, kGreedy, {99, expected[2]}).ids,
            std::vector<int>(expected.begin(), end));
}

// It draws the random numbers that the model will: guessing the most probable token instead would
// be right as seldom as that is picked.
TEST(Draft, OfTheSameModelIsRightAtAnyTemperature) {
  Model model(/*tied=*/false);
  for (const SamplerOptions& options :
       {SamplerOptions{.temperature = 3}, SamplerOptions{.temperature = 2, .top_k = 4},
        SamplerOptions{.temperature = 2, .top_p = 0.7}}) {
    const Generated result = with_draft(model, model.generator(), 3, 12, options);
    EXPECT_GE(result.drafted, 8);
    EXPECT_EQ(result.accepted, result.drafted);
  }
}

// The first id comes from the prompt; each pass gives what was right and one more.
TEST(Draft, CountsWhatItProposedAndWhatWasRight) {
  Model model;
  const Generated all_right = with_draft(model, model.generator(), 3, 9, kGreedy);
  EXPECT_EQ(all_right.drafted, 6);
  EXPECT_EQ(all_right.accepted, 6);
  Generator alone = model.generator();
  EXPECT_EQ(generate(alone, kPrompt, 9, kGreedy, kNoStops).drafted, 0);
}

TEST(Draft, ProposesNoMoreThanFitsTheCache) {
  Model model;
  Generator generator = model.generator(4);
  Draft draft(generator, 3, kGreedy);
  std::vector<int> text = {1, 7};
  for (const size_t proposed : {2u, 1u, 0u}) {
    EXPECT_EQ(draft.propose(text, Sampler(kGreedy)).size(), proposed);
    draft.keep(static_cast<int64_t>(text.size()));
    text.push_back(2);
  }
}

TEST(Draft, OfFewerPositionsLeavesTheRestToTheModel) {
  Model model(/*tied=*/false);
  const std::vector<int> expected = greedy_by_hand(model, 13);
  for (const int64_t positions : {1, 2, 6}) {
    EXPECT_EQ(with_draft(model, model.generator(positions), 3, 13, kGreedy).ids, expected);
  }
}

TEST(Draft, ProposesAnewFromWhereTheTextWentAnotherWay) {
  Model model;
  const auto proposal = [&](Draft& draft, const std::vector<int>& text) {
    const std::span<const int> proposed = draft.propose(text, Sampler(kGreedy));
    return std::vector<int>(proposed.begin(), proposed.end());
  };
  Generator used = model.generator(), fresh = model.generator();
  Draft corrected(used, 3, kGreedy), informed(fresh, 3, kGreedy);
  corrected.propose(kPrompt, Sampler(kGreedy));
  corrected.keep(1);
  EXPECT_EQ(proposal(corrected, {1, 7, 3}), proposal(informed, {1, 7, 3}));
}

}  // namespace
}  // namespace anemone
