#include "anemone/data/jinja_render.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/base/random.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

std::string rendered(std::string_view source) {
  JinjaMap variables;
  variables.set("text", JinjaValue(std::string(" a-b ")));
  variables.set("list", JinjaValue(JinjaList{JinjaValue(int64_t{1}), JinjaValue(int64_t{2})}));
  return render_jinja(parse_jinja(source, "t"), variables, 0, "t");
}

std::string error_of(std::string_view source) {
  try {
    rendered(source);
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "t");
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.message();
  }
  return "no error";
}

// Expectations are what Jinja 3.1.6 prints with the settings of transformers;
// tools/check_chat_templates.py compares random templates.
TEST(Jinja, TagsTakeBlanksAndLineEndsAsInTransformers) {
  EXPECT_EQ(rendered("a\n"), "a");
  EXPECT_EQ(rendered("a\r\nb\n\n"), "a\nb\n");
  EXPECT_EQ(rendered("a\n  {% if 1 %}\n  b\n  {% endif %}\nc"), "a\n  b\nc");
  EXPECT_EQ(rendered("a {% if 1 %} b {%- endif %}\n\nc"), "a  b\nc");
  EXPECT_EQ(rendered("a\n {%+ if 1 +%}\nb{% endif %}"), "a\n \nb");
  EXPECT_EQ(rendered("a \n {{- 'x' -}} \n b"), "axb");
  EXPECT_EQ(rendered("  {# c #}\n  {{ 1 }}\n"), "  1");
}

TEST(Jinja, FiltersAndTestsBindCloserThanSigns) {
  EXPECT_EQ(rendered("{{ 'a' + text | trim }}"), "aa-b");
  EXPECT_EQ(rendered("{{ 1 + 2 is none }}"), "1");  // 1 + false
  EXPECT_EQ(rendered("{{ not nothing is defined and 2 > 1 }}"), "True");
  EXPECT_EQ(rendered("{{ -7 // 2 ~ -7 % 4 }}"), "-41");
  EXPECT_EQ(rendered("{{ 1 < 2 < 2 }}{{ 1 not in list }}"), "FalseFalse");
  EXPECT_EQ(rendered("{{ 'a' if nothing }}{{ 'b' if text else 'c' }}"), "b");
}

TEST(Jinja, WhatALoopSetsIsGoneButForNamespaces) {
  EXPECT_EQ(rendered("{% set x = 0 %}{% for i in list %}{{ x }}{% set x = i %}{{ x }}{% endfor %}"
                     "{{ x }}"),
            "01020");
  EXPECT_EQ(rendered("{% set n = namespace(x=0) %}{% for i in list %}{% set n.x = n.x + i %}"
                     "{% endfor %}{{ n.x }}"),
            "3");
}

TEST(Jinja, MacrosDoNotSeeTheNamesOfTheirCallers) {
  EXPECT_EQ(rendered("{% macro m(a, b='d') %}{{ a ~ b ~ i }}{% endmacro %}"
                     "{% for i in list %}{{ m(i) }},{{ m(b=i, a='x') }};{% endfor %}"),
            "1d,x1;2d,x2;");
}

TEST(Jinja, WhatIsUndefinedPrintsNothingButHasNoAttributes) {
  EXPECT_EQ(rendered("[{{ nothing }}{{ list[7] }}]"), "[]");
  EXPECT_EQ(error_of("\n{{ nothing.more }}"),
            "the chat template, line 2: \"nothing\" is undefined, and has no \"more\"");
  EXPECT_THAT(error_of("{{ 'a' + nothing }}"), HasSubstr("between a string and an undefined"));
}

TEST(Jinja, WhatIsNotReadIsNamedAndNothingIsPrinted) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ list | tojson }}", "line 1: the filter \"tojson\" is not read"},
      {"{{ text is callable }}", "the test \"callable\" of a string is not read"},
      {"{{ text.zfill(3) }}", "the method \"zfill\" of strings is not read"},
      {"{{ cycler(1) }}", "the function \"cycler\" is not read"},
      {"{{ text() }}", "\"text\" is a string, no function"},
      {"{{ list }}", "a list is printed, which is not read"},
      {"{{ 1.5 }}", "a fraction is not read"},
      {"{{ '\\N{BULLET}' }}", "the escape \"\\N\" in a string is not read"},
      {"{% include 'x' %}", "the tag \"include\" is not read"},
      {"{% raw %}{% endraw %}", "the tag \"raw\" is not read"},
      {"a\n{% if 1 %}\nb", "line 3: the tag \"endif\" is missing"},
      {"{% endif %}", "the tag \"endif\" is not read"},
      {"{{ 'a }}", "a string does not end"},
      {"{{ (1 2) }}", "\",\" is expected"},
      {"{# a", "a comment does not end"},
      {"{{ raise_exception('no ' + text) }}", "the chat template refuses it: no  a-b "},
  };
  for (const auto& [source, says] : cases) EXPECT_THAT(error_of(source), HasSubstr(says)) << source;
}

TEST(Jinja, TemplatesWithoutEndAreErrors) {
  EXPECT_THAT(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("too deeply"));
  EXPECT_THAT(error_of("{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}"
                       "{% set n.x = n.x + n.x %}{% endfor %}"),
              HasSubstr("grows without end"));
  EXPECT_THAT(error_of("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}"
                       "{% endfor %}"),
              HasSubstr("more than 5000000 steps"));
  EXPECT_THAT(error_of("{{ range(999999999) }}"), HasSubstr("too long"));
  EXPECT_THAT(error_of("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"),
              HasSubstr("nested too deeply"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  EXPECT_THAT(error_of(sum + " }}"), HasSubstr("too long"));
}

TEST(Jinja, DamagedTemplatesAreErrorsOrTextsNeverCrashes) {
  const std::string source =
      "{% set ns = namespace(a='x') %}{%- for m in list[1:] if m > 0 -%}{{ m | string ~ ns.a }}"
      "{% else %}{{ text.split('-')[0] | trim }}{% endfor %}{# c #}{% macro f(a, b=1) %}"
      "{{ a if b is not none else [1, {'k': 2}] }}{% endmacro %}{{ f(\"\\u00e9\", b=none) }}";
  Random random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = source;
    for (uint64_t i = 1 + random.below(3); i > 0; --i) {
      damaged[random.below(damaged.size())] = "{}%#-+|.()[]'\"\\ ain=:,0~"[random.below(24)];
    }
    try {
      rendered(damaged);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << damaged << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace anemone
