// The cached decoder gives what the model gives for whole sequences.
#include "anemone/generate/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/generate/testing/tiny_model.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

using namespace generate_testing;  // NOLINT: helpers of this folder

constexpr double kTolerance = 1e-4;

void expect_near(std::span<const float> actual, std::span<const float> expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t v = 0; v < expected.size(); ++v) {
    EXPECT_NEAR(actual[v], expected[v], tolerance) << "token " << v;
  }
}

std::vector<std::vector<float>> feed_all(Generator& generator) {
  std::vector<std::vector<float>> rows;
  for (int token : kTokens) {
    const std::span<const float> logits = generator.feed(token);
    rows.emplace_back(logits.begin(), logits.end());
  }
  return rows;
}

TEST(Generator, CachedLogitsAreThoseOfTheWholeSequenceAtEveryPosition) {
  for (bool tied : {true, false}) {
    Model model(tied);
    Generator generator = model.generator();
    const Tensor whole = model.whole_sequence_logits();
    const auto rows = feed_all(generator);
    for (size_t t = 0; t < rows.size(); ++t) {
      ASSERT_EQ(rows[t].size(), 12u);
      for (size_t v = 0; v < rows[t].size(); ++v) {
        EXPECT_NEAR(rows[t][v], whole.as<float>()[v * rows.size() + t], kTolerance)
            << "token " << v << " at position " << t;
      }
    }
    EXPECT_EQ(generator.position(), kCapacity);
  }
}

TEST(Generator, WeightsStoredInFewerBitsGiveTheLogitsOfRoundedOnes) {
  for (const DType dtype : {DType::kBf16, DType::kInt8}) {
    for (bool tied : {true, false}) {
      Model exact(tied), rounded(tied), stored(tied);
      rounded.round_to(dtype, /*keep=*/false);
      stored.round_to(dtype, /*keep=*/true);
      Generator a = exact.generator(), b = rounded.generator(),
                c = stored.generator(kCapacity, dtype);
      const auto unlike = feed_all(a), expected = feed_all(b), actual = feed_all(c);
      EXPECT_NE(unlike, expected);
      for (size_t t = 0; t < expected.size(); ++t) {
        for (size_t v = 0; v < expected[t].size(); ++v) {
          EXPECT_NEAR(actual[t][v], expected[t][v], 1e-5) << "token " << v << " at position " << t;
        }
      }
    }
  }
}

// With narrow weights and many tokens x may be rounded to bf16, by up to 2^-8 of itself, in each of
// some products one after the other; logits are about 1.
TEST(Generator, APromptAtOnceLeavesWhatItsTokensOneByOneDo) {
  for (const DType stored : {DType::kFp32, DType::kBf16, DType::kInt8}) {
    for (const size_t length : {1u, 7u, 8u, 11u, 14u}) {
      Model model;
      const bool rounds = stored != DType::kFp32 && length > Generator::kMostTogether;
      const double tolerance = rounds ? 0x1p-6 : kTolerance;
      if (stored != DType::kFp32) model.round_to(stored, /*keep=*/true);
      Generator one_by_one = model.generator(kCapacity, stored);
      Generator at_once = model.generator(kCapacity, stored);
      const auto rows = feed_all(one_by_one);
      const std::span<const int> tokens = kTokens;
      expect_near(at_once.feed(tokens.first(length)), rows[length - 1], tolerance);
      EXPECT_EQ(at_once.position(), static_cast<int64_t>(length));
      for (size_t t = length; t < kTokens.size(); ++t) {
        expect_near(at_once.feed(kTokens[t]), rows[t], tolerance);
      }
    }
  }
}

TEST(Generator, SeveralLaterTokensGoOnFromTheCache) {
  Model model;
  Generator one_by_one = model.generator(), in_pieces = model.generator();
  const auto rows = feed_all(one_by_one);
  const std::span<const int> tokens = kTokens;
  in_pieces.feed(tokens.first(3));
  expect_near(in_pieces.feed(tokens.subspan(3, 9)), rows[11], kTolerance);
  in_pieces.go_back(0);
  expect_near(in_pieces.feed(tokens.first(10)), rows[9], kTolerance);
}

TEST(Generator, SeveralTokensTogetherGiveTheLogitsAfterEachOfThem) {
  for (const DType stored : {DType::kFp32, DType::kBf16, DType::kInt8}) {
    for (const size_t count : {1u, 2u, 5u, 8u}) {
      Model model;
      if (stored != DType::kFp32) model.round_to(stored, /*keep=*/true);
      Generator one_by_one = model.generator(kCapacity, stored);
      Generator together = model.generator(kCapacity, stored);
      const auto rows = feed_all(one_by_one);
      const std::span<const int> tokens = kTokens;
      together.feed(tokens.first(3));
      const std::span<const float> logits = together.feed_each(tokens.subspan(3, count));
      ASSERT_EQ(logits.size(), count * rows[0].size());
      for (size_t t = 0; t < count; ++t) {
        expect_near(logits.subspan(t * rows[0].size(), rows[0].size()), rows[3 + t], kTolerance);
      }
    }
  }
}

TEST(Generator, GoingBackForgetsWhatWasFedSince) {
  Model model;
  Generator straight = model.generator(), detour = model.generator();
  const auto rows = feed_all(straight);
  const std::span<const int> tokens = kTokens;
  detour.feed_each(tokens.first(5));
  detour.feed_each(std::vector<int>{9, 9, 9});
  detour.go_back(5);
  EXPECT_EQ(detour.position(), 5);
  expect_near(detour.feed_each(tokens.subspan(5, 3)).last(rows[0].size()), rows[7], kTolerance);
}

TEST(Generator, APromptLongerThanTheCacheIsAnErrorBeforeAnythingRuns) {
  Model model;
  Generator generator = model.generator(4);
  try {
    generator.feed(std::span<const int>(kTokens));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("longer than the 4 positions"));
  }
  EXPECT_EQ(generator.position(), 0);
}

TEST(Generator, CapacityDoesNotChangeTheLogits) {
  Model model;
  Generator exact = model.generator(), roomy = model.generator(16);
  const auto a = feed_all(exact), b = feed_all(roomy);
  for (size_t t = 0; t < a.size(); ++t) {
    for (size_t v = 0; v < a[t].size(); ++v) EXPECT_NEAR(a[t][v], b[t][v], 1e-5) << t;
  }
}

TEST(Generator, RestartForgetsWhatWasFed) {
  Model model;
  Generator generator = model.generator();
  const auto first = feed_all(generator);
  generator.go_back(0);
  EXPECT_EQ(generator.position(), 0);
  EXPECT_EQ(feed_all(generator), first);
}

TEST(Generator, AFullCacheIsAnErrorWithItsSize) {
  Model model;
  Generator generator = model.generator(2);
  generator.feed(1);
  generator.feed(2);
  try {
    generator.feed(3);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_EQ(error.where(), "position 2");
    EXPECT_THAT(error.message(), HasSubstr("longer than the 2 positions"));
  }
  generator.go_back(0);
  EXPECT_NO_THROW(generator.feed(3));
}

TEST(Generate, StopsAtTheCountAndShowsEveryId) {
  Model model;
  const std::vector<int> expected = greedy_by_hand(model, 8);
  for (size_t count : {0u, 1u, 5u, 8u}) {  // the 8th id needs no ninth position
    Generator generator = model.generator();
    std::vector<int> shown;
    const Generated result =
        generate(generator, kPrompt, static_cast<int64_t>(count), {.temperature = 0}, kNoStops,
                 [&](int id) { shown.push_back(id); });
    EXPECT_EQ(result.ids,
              std::vector<int>(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(count)));
    EXPECT_EQ(shown, result.ids);
  }
}

TEST(Generate, StopsBeforeAStopId) {
  Model model;
  const std::vector<int> expected = greedy_by_hand(model, 8);
  const std::vector<int> stops = {99, expected[3]};
  const auto end = std::ranges::find(expected, expected[3]);
  Generator generator = model.generator();
  const Generated result = generate(generator, kPrompt, 8, {.temperature = 0}, stops);
  EXPECT_EQ(result.ids, std::vector<int>(expected.begin(), end));
}

TEST(Generate, SameSeedSameText) {
  Model model;
  Generator generator = model.generator();
  const auto text = [&](uint64_t seed) {
    generator.go_back(0);
    return generate(generator, kPrompt, 8, {.temperature = 5, .seed = seed}, kNoStops).ids;
  };
  const std::vector<int> ids = text(3);
  EXPECT_EQ(text(3), ids);
  EXPECT_NE(text(4), ids);
}

}  // namespace
}  // namespace anemone
