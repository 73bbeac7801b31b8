#include "anemone/devices/ane_spec/chip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// The built-in table, to be damaged.
Json table() {
  static const std::string path = ANEMONE_SOURCE_DIR "/anemone/devices/ane_spec/chips.json";
  return parse_strict_json(read_file(path), path);
}

Json& chip(Json& document, std::string_view name) {
  for (Json& each : document["chips"]) {
    if (each["name"] == name) return each;
  }
  throw std::runtime_error("no such chip");
}

// The line of the error that the text is refused with; it must carry a remedy.
std::string refusal(const std::string& text) {
  try {
    parse_chips(text, "chips.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
  return "accepted";
}

TEST(Chips, KnowsEveryGenerationOldestFirst) {
  std::vector<std::string> names;
  for (const Chip& each : all_chips()) names.push_back(each.name);
  EXPECT_THAT(names,
              testing::ElementsAre("m1", "m1-pro", "m1-max", "m1-ultra", "m2", "m2-pro", "m2-max",
                                   "m2-ultra", "m3", "m3-pro", "m3-max", "m3-ultra", "m4", "m4-pro",
                                   "m4-max", "m5", "m5-pro", "m5-max", "m6"));
  EXPECT_EQ(find_chip("m4-max").title, "Apple M4 Max");
  EXPECT_EQ(find_chip("m1-ultra").family, AneFamily::kH13);
  EXPECT_EQ(find_chip("m6").family, AneFamily::kH18);
}

TEST(Chips, UltraIsOneDieForOneRequest) {
  for (const char* generation : {"m1", "m2", "m3"}) {
    const Chip& max = find_chip(std::string(generation) + "-max");
    const Chip& ultra = find_chip(std::string(generation) + "-ultra");
    EXPECT_EQ(ultra.engine.peak_tflops.value, max.engine.peak_tflops.value) << generation;
  }
}

TEST(Chips, UnknownNameListsTheKnownOnesAndTheNearest) {
  try {
    find_chip("m4max");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("m4max"), HasSubstr("did you mean 'm4-max'?"),
                                    HasSubstr("m1-ultra"), HasSubstr("m6")));
  }
}

TEST(Chips, CarriedFiguresAreInferredAndSayFromWhere) {
  const Figure& carried = find_chip("m3-max").engine.alias_factor;
  EXPECT_EQ(carried.value, find_chip("m4-max").engine.alias_factor.value);
  EXPECT_EQ(carried.grade, Grade::kInferred);
  EXPECT_EQ(carried.source, "carried over from Apple M4 Max");
  EXPECT_EQ(find_chip("m4-max").engine.alias_factor.grade, Grade::kFitted);
}

TEST(Chips, TextThatIsNotJsonIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal("{\"chips\": [}"), AllOf(HasSubstr("chips.json"), HasSubstr("not JSON")));
  EXPECT_THAT(refusal("[]"), HasSubstr("not an object"));
  EXPECT_THAT(refusal("{\"chips\": []}"), HasSubstr("not a list of chips"));
  EXPECT_THAT(refusal("{\"chips\": [7]}"), HasSubstr("chips[0]: is 7, not an object"));
}

TEST(Chips, MissingFigureIsNamedWithItsChip) {
  Json document = table();
  chip(document, "m4-max")["engine"].erase("stream_gbs");
  EXPECT_THAT(refusal(document.dump()),
              AllOf(HasSubstr("chips.json, m4-max, engine"), HasSubstr("lacks 'stream_gbs'"),
                    HasSubstr("docs/calibration.md")));
}

TEST(Chips, FiguresThatMakeNoSenseAreRefused) {
  for (const Json& value : {Json(-1), Json(0), Json("fast"), Json(nullptr), Json(true)}) {
    Json document = table();
    chip(document, "m4-max")["engine"]["peak_tflops"]["value"] = value;
    EXPECT_THAT(refusal(document.dump()), AllOf(HasSubstr("m4-max, engine.peak_tflops"),
                                                HasSubstr("is not a positive number")));
  }
  Json document = table();
  chip(document, "m4-max")["engine"]["idle_watts"]["value"] = -1;
  EXPECT_THAT(refusal(document.dump()), HasSubstr("is not a non-negative number"));
  EXPECT_THAT(refusal(R"({"chips": [{"name": "m9", "x": 1e999}]})"), HasSubstr("not JSON"));
}

TEST(Chips, UnknownKeysAndGradesAreRefusedWithTheNearest) {
  Json document = table();
  chip(document, "m4-max")["engine"]["stream_gb"] = Json::object();
  EXPECT_THAT(refusal(document.dump()),
              AllOf(HasSubstr("unknown key 'stream_gb'"), HasSubstr("did you mean 'stream_gbs'?")));
  document = table();
  chip(document, "m4-max")["host"]["task_us"]["grade"] = "certain";
  EXPECT_THAT(refusal(document.dump()),
              AllOf(HasSubstr("m4-max, host.task_us"), HasSubstr("'certain' is none of measured")));
  document = table();
  chip(document, "m4-max")["engine"]["layer_us"].erase("source");
  EXPECT_THAT(refusal(document.dump()), HasSubstr("engine.layer_us: lacks 'source'"));
}

TEST(Chips, ChipsMustBeDistinctAndCarriedFromOneThatIsThere) {
  Json document = table();
  document["chips"].push_back(chip(document, "m1"));
  EXPECT_THAT(refusal(document.dump()), HasSubstr("second chip called 'm1'"));
  document = table();
  chip(document, "m1")["carried_from"] = "m0";
  EXPECT_THAT(refusal(document.dump()), HasSubstr("carried from 'm0', which is not in the table"));
  document = table();
  chip(document, "m4-max")["carried_from"] = "m1";
  EXPECT_THAT(refusal(document.dump()), HasSubstr("carried from a chip that is carried from it"));
  document = table();
  chip(document, "m1")["family"] = 12;
  EXPECT_THAT(refusal(document.dump()), HasSubstr("m1, family: is 12"));
}

}  // namespace
}  // namespace anemone
