#include "anemone/base/strict_json.h"

#include <gtest/gtest.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_strict_json(text, "a.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(StrictJson, ReadsWhatIsJson) {
  const auto json = parse_strict_json(R"({"a": {"x": 1}, "b": [{"x": 2}, {"x": 3}]})", "a.json");
  EXPECT_EQ(json["b"][1]["x"], 3);
}

TEST(StrictJson, ErrorsNameTheByte) {
  EXPECT_EQ(error_of("{\"a\": 1,}"), "a.json: is not JSON from byte 9 on");
  EXPECT_EQ(error_of(""), "a.json: is not JSON from byte 1 on");
  EXPECT_NE(error_of("[1e999]"), "no error");
}

TEST(StrictJson, RepeatedKeysAreRefusedAtAnyLevel) {
  EXPECT_EQ(error_of(R"({"a": 1, "a": 2})"), "a.json: key \"a\" is there twice");
  EXPECT_EQ(error_of(R"([{"b": {"c": 1, "c": 2}}])"), "a.json: key \"c\" is there twice");
  EXPECT_EQ(error_of(R"({"a": {"a": 1}, "b": {"a": 1}})"), "no error");
}

TEST(StrictJson, DeepNestingIsRefusedBeforeItCanOverflowTheStack) {
  EXPECT_EQ(error_of(std::string(1000000, '[')), "a.json: is nested deeper than 64");
  EXPECT_EQ(error_of(std::string(60, '[') + std::string(60, ']')), "no error");
}

TEST(StrictJson, QuotesAreShort) {
  EXPECT_EQ(brief("gelu"), "\"gelu\"");
  EXPECT_EQ(brief(3), "3");
  EXPECT_EQ(brief(nlohmann::json::array()), "a JSON array");
  EXPECT_EQ(brief(std::string(1000, 'x')).size(), 63u);
}

}  // namespace
}  // namespace anemone
