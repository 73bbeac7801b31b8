#include "anemone/data/text_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

// What the library gives: the expectations here were seen there (tokenizers 0.23).
std::vector<std::string> cut(const json& pattern, const std::string& text,
                             SplitBehavior behavior = SplitBehavior::kIsolated) {
  const TextPattern compiled(JsonNode(pattern, "t.json"));
  std::vector<TextPiece> pieces;
  split({.text = text, .at_start = true}, compiled.stretches(text), behavior, pieces);
  std::vector<std::string> texts;
  for (const TextPiece& piece : pieces) texts.push_back(piece.text);
  return texts;
}

json regex(const char* text) { return {{"Regex", text}}; }

TEST(TextPattern, BehaviorsSayWhatBecomesOfMatches) {
  const json dash = {{"String", "-"}};
  const auto behaves = [&](SplitBehavior behavior) { return cut(dash, "--a--b", behavior); };
  EXPECT_THAT(behaves(SplitBehavior::kIsolated), ElementsAre("-", "-", "a", "-", "-", "b"));
  EXPECT_THAT(behaves(SplitBehavior::kMergedWithPrevious), ElementsAre("-", "-", "a-", "-", "b"));
  EXPECT_THAT(behaves(SplitBehavior::kMergedWithNext), ElementsAre("-", "-a", "-", "-b"));
  EXPECT_THAT(behaves(SplitBehavior::kContiguous), ElementsAre("--", "a", "--", "b"));
  EXPECT_THAT(behaves(SplitBehavior::kRemoved), ElementsAre("a", "b"));
}

TEST(TextPattern, EmptyMatchesCutNothingTwice) {
  EXPECT_THAT(cut(regex("x*"), "axxb"), ElementsAre("a", "xx", "b"));
  EXPECT_THAT(cut(regex(""), "a\u00e9"), ElementsAre("a", "\u00e9"));
}

TEST(TextPattern, WhiteSpaceIsThatOfTheLibrary) {
  // No-break space, ideographic space; not U+180E, not the zero-width space.
  EXPECT_THAT(cut(regex("\\s+"), "a\u00a0\u3000b\u180e\u200bc"),
              ElementsAre("a", "\u00a0\u3000", "b\u180e\u200bc"));
  EXPECT_THAT(cut(regex("\\S+"), "\u180e a"), ElementsAre("\u180e", " ", "a"));
  EXPECT_THAT(cut(regex("[^\\S]"), "\u180e a"), ElementsAre("\u180e", " ", "a"));
}

TEST(TextPattern, SixNumbersAreWordCharactersButNotInsideAClass) {
  EXPECT_THAT(cut(regex("\\w+"), "a\u00b2\u2070"), ElementsAre("a\u00b2", "\u2070"));
  EXPECT_THAT(cut(regex("[\\w]+"), "a\u00b2\u2070"), ElementsAre("a", "\u00b2\u2070"));
}

TEST(TextPattern, ARepeatWithPlusIsARepeatOfARepeat) {
  EXPECT_THAT(cut(regex("\\p{N}{1,3}+"), "1234567"), ElementsAre("1234567"));
  EXPECT_THAT(cut(regex("(?:ab){2}+"), "ababababab"), ElementsAre("abababab", "ab"));
  EXPECT_THAT(cut(regex("a{,2}b"), "aaab"), ElementsAre("a", "aab"));
}

TEST(TextPattern, AScriptIsWithoutItsExtensions) {
  EXPECT_THAT(cut(regex("\\p{Han}+"), "\u4e2d\u3001\u6587"),
              ElementsAre("\u4e2d", "\u3001", "\u6587"));
}

TEST(TextPattern, LinesBeginAndEndWithinAText) {
  EXPECT_THAT(cut(regex("^a$"), "a\na\nba"), ElementsAre("a", "\n", "a", "\nba"));
  EXPECT_THAT(cut(regex("\\u4e2d|[\\x{41}-\\x43]"), "xA\u4e2d"), ElementsAre("x", "A", "\u4e2d"));
}

TEST(TextPattern, WhatHasNoCounterpartIsRefused) {
  for (const char* text :
       {"[[:punct:]]", "[a&&b]", "[a[b]]",   "(?s)a",   "x|a(?i)b", "(a)\\1", "\\pL",
        "\\p{L&}",     "\\Qa",   "(*UTF8)a", "(?<n>a)", "a)",       "(a",     "[a",
        "\\",          "\\p{",   "\\x{",     "\\u12",   "*a",       "\\K"}) {
    EXPECT_THROW(TextPattern(JsonNode(regex(text), "t.json")), Error) << text;
  }
}

TEST(TextPattern, ALongTextOverflowsNoStack) {
  const std::string text(1 << 20, ' ');
  EXPECT_EQ(cut(regex("(?:\\s|a)+(?!\\S)|b"), text).size(), 1u);
}

}  // namespace
}  // namespace anemone
