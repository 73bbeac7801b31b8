#include "anemone/report/timeline_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Compiling, then three micro-steps of 10 ms, each with a program from its third to its eighth.
std::string example() {
  std::string events = R"({"ph": "M", "name": "thread_name", "tid": 0, "args": {"name": "host"}},
                          {"ph": "M", "name": "thread_name", "tid": 1, "args": {"name": "device"}},
                          {"ph": "X", "cat": "compile", "tid": 0, "ts": 0, "dur": 5000})";
  for (const int step : {1, 2, 3}) {
    events += R"(, {"ph": "X", "cat": "data", "tid": 0, "dur": 100, "ts": )" +
              std::to_string(step * 10000) + "}";
    events += R"(, {"ph": "X", "cat": "ane", "tid": 1, "dur": 5000, "ts": )" +
              std::to_string(step * 10000 + 3000) + "}";
  }
  return R"({"traceEvents": [)" + events +
         R"(], "otherData": {"device": "sim:m4-max", "simulated": true}})";
}

std::string error_of(const std::string& text) {
  try {
    parse_trace(text, "t.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TimelinePlot, ShowsTheFirstTwoMicroSteps) {
  const Plot plot = timeline_plot(parse_trace(example(), "t.json"));
  EXPECT_THAT(plot.rows, ElementsAre("host", "device"));
  ASSERT_EQ(plot.boxes.size(), 2u);  // without the compilation before
  EXPECT_EQ(plot.boxes[0].name, "ane");
  ASSERT_EQ(plot.boxes[0].boxes.size(), 2u);
  EXPECT_DOUBLE_EQ(plot.boxes[0].boxes[0].from, 3);
  EXPECT_DOUBLE_EQ(plot.boxes[0].boxes[1].to, 18);
  EXPECT_DOUBLE_EQ(plot.boxes[0].boxes[0].row, 1);
}

TEST(TimelinePlot, SimulatedTimeIsCalledThat) {
  const Plot plot = timeline_plot(parse_trace(example(), "t.json"));
  EXPECT_THAT(plot.x_label, HasSubstr("simulated"));
  EXPECT_EQ(plot.shows[0].second, Origin::kSimulated);
}

TEST(TimelinePlot, BadTracesAreNamedInOneLine) {
  EXPECT_THAT(error_of("{}"), HasSubstr("t.json: this is no trace"));
  EXPECT_THAT(error_of("[]"), HasSubstr("t.json: this is no trace"));
  EXPECT_THAT(error_of(R"({"traceEvents": []})"), HasSubstr("without events"));
  EXPECT_THAT(error_of(R"({"traceEvents": [7]})"), HasSubstr("no object"));
  EXPECT_THAT(error_of(R"({"traceEvents": [{"ph": "X", "ts": -1, "dur": 1}]})"), HasSubstr("'ts'"));
}

}  // namespace
}  // namespace anemone
