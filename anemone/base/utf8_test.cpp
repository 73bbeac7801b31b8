#include "anemone/base/utf8.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

TEST(Utf8, WholeTextsAreTold) {
  for (const char* text :
       {"", "plain", "\xC3\xA9", "\xE2\x96\x81", "\xF0\x9F\x90\xB1", "\xEF\xBF\xBD"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  // Alone, cut, overlong, a surrogate, beyond the last point.
  for (const char* text : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xFF", "a\xE2\x96"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
  }
}

TEST(Utf8, ACutComesBeforeTheCharacterThatDoesNotFit) {
  const std::string_view text = "a\xE2\x96\x81z";
  EXPECT_EQ(whole_characters(text, 9), 5u);
  EXPECT_EQ(whole_characters(text, 4), 4u);
  EXPECT_EQ(whole_characters(text, 3), 1u);
  EXPECT_EQ(whole_characters(text, 2), 1u);
  EXPECT_EQ(whole_characters(text, 1), 1u);
  EXPECT_EQ(whole_characters("\x80\x80\x80\x80\x80\x80", 4), 4u);
}

TEST(Utf8, UnfinishedIsWhatMoreBytesCanComplete) {
  for (const auto& [text, bytes] :
       {std::pair("", 0), std::pair("a", 0), std::pair("a\xC3", 1), std::pair("\xE2\x96", 2),
        std::pair("\xE2\x96\x81", 0), std::pair("\xF0\x9F\x90", 3), std::pair("\xE0", 1),
        std::pair("\xF4\x8F", 2)}) {
    EXPECT_EQ(unfinished_bytes(text), static_cast<size_t>(bytes)) << text;
  }
  // Nothing makes these whole: a continuation alone, overlong, a surrogate, no first byte.
  for (const char* text : {"\x80", "\xE0\x80", "\xED\xA0", "\xC0", "\xFF", "\xF4\x90"}) {
    EXPECT_EQ(unfinished_bytes(text), 0u) << text;
  }
}

}  // namespace
}  // namespace anemone
