#include "anemone/report/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/report/text_report.h"

namespace anemone {
namespace {

using testing::HasSubstr;

BenchResult example() {
  BenchResult result;
  result.benchmark = "peak";
  result.device = "sim:m4-max";
  result.simulated = true;
  result.dtype = "fp16";
  result.rows = {{{"depth", 32}, {"channels", 512}, {"spatial", 64}, {"ms", 0.25}, {"tflops", 4.3}},
                 {{"depth", 64}, {"channels", 99999}, {"spatial", 64}, {"refused", "ane.c11"}}};
  return result;
}

std::string error_of(const std::string& text) {
  try {
    parse_results(text, "r.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Result, SurvivesItsFile) {
  const BenchResult result = example();
  const auto again = parse_results(to_json(result).dump(), "r.json");
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(to_json(again[0]).dump(), to_json(result).dump());
}

TEST(Result, BadFilesAreNamedInOneLine) {
  EXPECT_THAT(error_of(""), HasSubstr("r.json: the file is empty"));
  EXPECT_THAT(error_of("{\"schema\": \"anem"), HasSubstr("r.json"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("a result is a JSON object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("no result of a benchmark"));
  nlohmann::ordered_json other = to_json(example());
  other["version"] = 7;
  EXPECT_THAT(error_of(other.dump()), HasSubstr("a result of version 7, not 1"));
  nlohmann::ordered_json negative = to_json(example());
  negative["rows"][0]["ms"] = -1;
  EXPECT_THAT(error_of(negative.dump()), HasSubstr("'ms' of row 0"));
}

TEST(Result, ASubmissionOfTheCommunityBecomesOneResultABenchmark) {
  const auto results = parse_results(R"({
    "schema_version": 1, "username": "u", "timestamp": "t",
    "system": {"chip": "Apple M9", "machine": "Mac1", "macos_version": "30"},
    "benchmarks": {
      "sram_probe": [{"channels": 8192, "weight_mb": 128.0, "ms_per_eval": 3.416, "tflops": 1.26}],
      "inmem_peak": [{"depth": 32, "channels": 512, "spatial": 64, "ms_per_eval": 0.17}],
      "training_cpu_classifier": {"ms_per_step": 74.7, "ane_tflops_sustained": 1.25}}})",
                                     "c.json");
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].benchmark, "peak");
  EXPECT_NEAR(number(results[0].rows[0], "tflops"), 6.32, 0.01);
  // 1.26 TFLOPS in 3.416 ms are 32 columns and not 64.
  EXPECT_EQ(number(results[1].rows[0], "spatial"), 32);
  EXPECT_EQ(results[2].rows[0]["pipeline"], "static");
  for (const BenchResult& result : results) EXPECT_TRUE(result.published());
}

TEST(TextReport, SimulatedAndRefusedShow) {
  const std::string text = text_table(example());
  EXPECT_THAT(text, HasSubstr("(simulated)"));
  EXPECT_THAT(text, HasSubstr("ane.c11"));
  EXPECT_THAT(markdown_table(example()), HasSubstr("| 32 | 512 | 64 |"));
}

}  // namespace
}  // namespace anemone
