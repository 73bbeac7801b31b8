#include "anemone/text/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace anemone {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> spellings(std::string_view text) {
  Lexer lexer(text);
  std::vector<std::string> result;
  for (Token token = lexer.next(); token.kind != TokenKind::kEnd; token = lexer.next()) {
    result.emplace_back(token.text);
  }
  return result;
}

std::string error_place(std::string_view text) {
  try {
    spellings(text);
  } catch (const Error& error) {
    return error.where();
  }
  return "no error";
}

TEST(Lexer, SplitsAStatement) {
  EXPECT_THAT(spellings("bool t=const()[val = bool(true)];"),
              ElementsAre("bool", "t", "=", "const", "(", ")", "[", "val", "=", "bool", "(", "true",
                          ")", "]", ";"));
}

TEST(Lexer, ReadsNumbersWithTheirSigns) {
  EXPECT_THAT(spellings("-0x1.8p-17 0x1e-3 1.5e+3 -inf 2->3"),
              ElementsAre("-0x1.8p-17", "0x1e", "-3", "1.5e+3", "-inf", "2", "->", "3"));
}

TEST(Lexer, SkipsCommentsAndCountsLinesAndCharacters) {
  Lexer lexer("// a\r\n\t\"é\" x // end");
  EXPECT_EQ(where(lexer.next().location), "2:2");
  EXPECT_EQ(where(lexer.next().location), "2:6");
  EXPECT_EQ(lexer.next().kind, TokenKind::kEnd);
  EXPECT_EQ(lexer.next().kind, TokenKind::kEnd);
}

TEST(Lexer, PlacesWhatItCannotRead) {
  EXPECT_EQ(error_place("a\n  #"), "2:3");
  EXPECT_EQ(error_place("x \"abc"), "1:3");
  EXPECT_EQ(error_place("\"abc\\\""), "1:1");
  EXPECT_EQ(error_place("\"ab\nc\""), "1:1");
  EXPECT_EQ(error_place(std::string_view("a \0", 3)), "1:3");
}

TEST(Lexer, StringsSurviveQuotingAndUnescaping) {
  const std::string content = "a \"b\" \\ \n\t\r\x01 é";
  const std::string text = quote(content);
  EXPECT_EQ(unescape(Lexer(text).next()), content);
}

TEST(Lexer, RefusesUnknownEscapes) {
  for (const char* text : {R"("\q")", R"("\x1")", R"("\x")", R"("\xg0")"}) {
    EXPECT_THROW(unescape(Lexer(text).next()), Error) << text;
  }
}

TEST(Lexer, KnowsNames) {
  EXPECT_TRUE(is_name("_a1@b.c"));
  EXPECT_FALSE(is_name("1a"));
  EXPECT_FALSE(is_name(""));
  EXPECT_FALSE(is_name("a b"));
}

}  // namespace
}  // namespace anemone
