#include "anemone/report/plain_text.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

TEST(PlainText, ControlCharactersAndWrongBytesGo) {
  EXPECT_EQ(clean_text("a\x1b[31m\nb\x7f"), "a [31m b ");
  EXPECT_EQ(clean_text("\xC3\xA9 \xE2\x82\xAC"), "é €");
  EXPECT_EQ(clean_text("\xC3("), "?(");          // cut off
  EXPECT_EQ(clean_text("\xC0\xAF"), "??");       // longer than needed
  EXPECT_EQ(clean_text("\xED\xA0\x80"), "???");  // half of a pair
  EXPECT_EQ(clean_text("a\xE2\x80\xAE"
                       "b"),
            "a b");  // writing from right to left
  EXPECT_EQ(clean_text("\xC2\x9B"
                       "31m"),
            " 31m");  // a terminal's escape in one character
}

TEST(PlainText, HtmlHasNoMeaningLeft) {
  EXPECT_EQ(escape_html("<script>alert('a' & \"b\")</script>"),
            "&lt;script&gt;alert(&#39;a&#39; &amp; &quot;b&quot;)&lt;/script&gt;");
}

TEST(PlainText, MarkdownHasNoMeaningLeft) {
  EXPECT_EQ(escape_markdown("a|b\n`c` <i> [d](e)"), "a\\|b \\`c\\` &lt;i> \\[d](e)");
}

TEST(PlainText, AWordOfTheShellStaysOne) {
  EXPECT_EQ(shell_word("sim:m4-max"), "sim:m4-max");
  EXPECT_EQ(shell_word("cpu; rm -rf ~"), "'cpu; rm -rf ~'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(PlainText, ShorteningCountsCharacters) {
  EXPECT_EQ(shortened("éèê", 3), "éèê");
  EXPECT_EQ(shortened("éèêë", 2), "éè…");
}

}  // namespace
}  // namespace anemone
