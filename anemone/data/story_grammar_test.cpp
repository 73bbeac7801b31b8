#include "anemone/data/story_grammar.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "anemone/data/stories_text.h"

namespace anemone {
namespace {

std::vector<std::string> stories(int count, uint64_t seed) {
  std::vector<std::string> list;
  for_each_story(write_stories(count, seed),
                 [&](std::string_view story) { list.emplace_back(story); });
  return list;
}

// Lower-case words without punctuation.
std::vector<std::string> words(const std::string& story) {
  std::vector<std::string> list(1);
  for (char letter : story) {
    if (std::isalpha(static_cast<unsigned char>(letter)) || letter == '\'') {
      list.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    } else if (!list.back().empty()) {
      list.emplace_back();
    }
  }
  if (list.back().empty()) list.pop_back();
  return list;
}

TEST(StoryGrammar, TheSeedDecidesTheText) {
  EXPECT_EQ(write_stories(5, 1), write_stories(5, 1));
  EXPECT_NE(write_stories(5, 1), write_stories(5, 2));
  EXPECT_EQ(write_stories(0, 1), "");
  EXPECT_TRUE(write_stories(9, 1).starts_with(write_stories(5, 1)));
}

TEST(StoryGrammar, SeparatorsSplitIntoAsManyStories) {
  EXPECT_EQ(stories(100, 3).size(), 100u);
  EXPECT_TRUE(write_stories(1, 3).ends_with(".\n<|endoftext|>\n") ||
              write_stories(1, 3).ends_with("\"\n<|endoftext|>\n"));
}

TEST(StoryGrammar, TwoThousandStoriesAreNearlyAllDifferent) {
  const auto list = stories(2000, 4);
  EXPECT_GE(std::set<std::string>(list.begin(), list.end()).size(), 1995u);
}

TEST(StoryGrammar, StoriesAreShortAndUseFewWords) {
  std::set<std::string> vocabulary;
  size_t total = 0;
  for (const std::string& story : stories(2000, 5)) {
    const auto list = words(story);
    EXPECT_GE(list.size(), 60u) << story;
    EXPECT_LE(list.size(), 150u) << story;
    total += list.size();
    vocabulary.insert(list.begin(), list.end());
  }
  EXPECT_LT(total / 2000, 121u);
  EXPECT_LT(vocabulary.size(), 700u);
  EXPECT_GT(vocabulary.size(), 400u);
}

TEST(StoryGrammar, ArticlesAndSpacesAndCapitalsAreRight) {
  const std::string text = write_stories(500, 6);
  for (const char* wrong : {R"(\ba [aeiou])", R"(\ban [^aeiou])", R"(  )", R"([{}])", R"( [.,!?])",
                            R"([.!?] [a-z])", R"([a-z]\n)"}) {
    std::smatch found;
    EXPECT_FALSE(std::regex_search(text, found, std::regex(wrong)))
        << wrong << " at " << text.substr(static_cast<size_t>(found.position()), 60);
  }
}

TEST(StoryGrammar, QuotationMarksComeInPairs) {
  for (const std::string& story : stories(500, 7)) {
    EXPECT_EQ(std::count(story.begin(), story.end(), '"') % 2, 0) << story;
  }
}

TEST(StoryGrammar, HeAndSheNeverMeanTwoPeopleInOneStory) {
  for (const std::string& story : stories(1000, 8)) {
    const auto list = words(story);
    const std::set<std::string> used(list.begin(), list.end());
    // The mother of a lost baby animal is the one exception.
    EXPECT_FALSE(used.count("he") && used.count("she") && !used.count("mother")) << story;
    EXPECT_FALSE(used.count("his") && used.count("her") && !used.count("mother")) << story;
  }
}

}  // namespace
}  // namespace anemone
