// A draft changes how fast a text comes, and nothing else.
#include "anemone/generate/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/generate/testing/tiny_model.h"

namespace anemone {
namespace {

using namespace generate_testing;  // NOLINT: helpers of this folder

// The text of `model` with a draft by `other`.
Generated with_draft(Model& model, Generator&& other, int64_t proposed, int64_t tokens,
                     const SamplerOptions& options, const std::vector<int>& stops = kNoStops) {
  Generator generator = model.generator();
  Draft draft(other, proposed);
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
      EXPECT_EQ(with_draft(model, model.generator(), proposed, tokens, {.temperature = 0}).ids,
                start);
      EXPECT_EQ(with_draft(model, unlike.generator(), proposed, tokens, {.temperature = 0}).ids,
                start);
      EXPECT_EQ(with_draft(model, int8.generator(kCapacity, DType::kInt8), proposed, tokens,
                           {.temperature = 0})
                    .ids,
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
  EXPECT_EQ(with_draft(model, model.generator(), 3, 8, {.temperature = 0}, {99, expected[2]}).ids,
            std::vector<int>(expected.begin(), end));
}

// The first id comes from the prompt; each pass gives what was right and one more.
TEST(Draft, CountsWhatItProposedAndWhatWasRight) {
  Model model;
  const Generated all_right = with_draft(model, model.generator(), 3, 9, {.temperature = 0});
  EXPECT_EQ(all_right.drafted, 6);
  EXPECT_EQ(all_right.accepted, 6);
  Generator alone = model.generator();
  EXPECT_EQ(generate(alone, kPrompt, 9, {.temperature = 0}, kNoStops).drafted, 0);
}

TEST(Draft, ProposesNoMoreThanFitsTheCache) {
  Model model;
  Generator generator = model.generator(4);
  Draft draft(generator, 3);
  std::vector<int> text = {1, 7};
  for (const size_t proposed : {2u, 1u, 0u}) {
    EXPECT_EQ(draft.propose(text).size(), proposed);
    draft.keep(static_cast<int64_t>(text.size()));
    text.push_back(2);
  }
}

TEST(Draft, ProposesAnewFromWhereTheTextWentAnotherWay) {
  Model model;
  const auto proposal = [&](Draft& draft, const std::vector<int>& text) {
    const std::span<const int> proposed = draft.propose(text);
    return std::vector<int>(proposed.begin(), proposed.end());
  };
  Generator used = model.generator(), fresh = model.generator();
  Draft corrected(used, 3), informed(fresh, 3);
  corrected.propose(kPrompt);
  corrected.keep(1);
  EXPECT_EQ(proposal(corrected, {1, 7, 3}), proposal(informed, {1, 7, 3}));
}

}  // namespace
}  // namespace anemone
