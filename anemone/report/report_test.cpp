#include "anemone/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/report/html.h"
#include "anemone/report/result_columns.h"
#include "anemone/report/result_plots.h"
#include "anemone/report/side_by_side.h"
#include "anemone/report/text_report.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

ordered_json row(int channels, double ms) {
  const double gflop = 2e-9 * channels * channels * 64;
  return {
      {"probe", "fine"}, {"depth", 1},          {"channels", channels},
      {"spatial", 64},   {"gflop", gflop},      {"weight_mb", channels * channels * 2 / 1048576.0},
      {"ms", ms},        {"tflops", gflop / ms}};
}

BenchResult result_of(const std::string& device, double factor) {
  BenchResult result;
  result.benchmark = "sram";
  result.device = device;
  result.dtype = "fp16";
  for (int channels = 513; channels < 6000; channels += 512) {
    result.rows.push_back(row(channels, factor * (0.1 + channels * channels * 1e-8)));
  }
  return result;
}

BenchResult simulated() {
  BenchResult result = result_of("sim:m4-max", 1);
  result.simulated = true;
  return result;
}

BenchResult published() {
  BenchResult result = result_of("m4-max", 2);
  result.source = "a paper";
  for (ordered_json& row : result.rows) row.erase("probe");
  return result;
}

BenchResult training(const std::string& pipeline) {
  BenchResult result;
  result.benchmark = "train";
  result.device = "sim:m4-max";
  result.simulated = true;
  result.rows = {{{"pipeline", pipeline},
                  {"ms_per_step", 34.5},
                  {"components", {{"ane", 20.25}, {"dw", 9.5}}}}};
  return result;
}

std::string page_of(const std::vector<BenchResult>& results) {
  ReportInput input;
  for (const BenchResult& result : results) input.results.push_back({"a.json", result});
  input.arguments = {"report", "a.json"};
  return to_html(report_of(input), [](const Plot&, const std::string&) {
    return Drawing{"<svg></svg>", ""};
  });
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// What stands between each `open` and the next `close`.
std::vector<std::string> pieces(const std::string& text, const std::string& open,
                                const std::string& close) {
  std::vector<std::string> found;
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at + 1)) {
    found.push_back(text.substr(at, text.find(close, at) - at));
  }
  return found;
}

TEST(Report, EveryRowOfTheInputIsInAllFormats) {
  ReportInput input;
  for (const BenchResult& result : {simulated(), training("static"), result_of("cpu", 9)}) {
    input.results.push_back({"a.json", result});
  }
  const Document document = report_of(input);
  const std::string page = page_of({simulated(), training("static"), result_of("cpu", 9)});
  for (const std::string& text : {to_text(document), to_markdown(document), page}) {
    for (const ResultFile& file : input.results) {
      for (const ordered_json& row : file.result.rows) {
        const Column column =
            row.contains("ms") ? Column{"", "ms", -4} : Column{"", "ms_per_step", 1};
        EXPECT_THAT(text, HasSubstr(cell(row, column)));
      }
    }
  }
}

TEST(Report, EveryTableAndPlotOfASimulatedResultSaysSo) {
  const std::string page = page_of({simulated(), training("static")});
  const size_t start = page.find("<h2>Figures");
  ASSERT_NE(start, std::string::npos);
  const std::string rest = page.substr(start);
  const auto figures = pieces(rest, "<figure>", "</figure>");
  EXPECT_EQ(figures.size(), 3u);  // roofline, throughput, step
  for (const std::string& figure : figures) EXPECT_THAT(figure, HasSubstr("simulated"));
  // A caption above, or a title within.
  for (const std::string& table : pieces(rest, "<div class=\"table\">", "</table>")) {
    const std::string above = rest.substr(0, rest.find(table));
    const std::string caption = above.substr(above.rfind('\n', above.size() - 2));
    EXPECT_THAT(caption + table, HasSubstr("simulated"));
  }
  EXPECT_THAT(page, Not(HasSubstr("measured</span>")));
}

TEST(Report, PublishedRowsStandBesideOwnOnes) {
  const BenchResult own = simulated(), theirs = published();
  const auto tables = side_by_side({{{"own"}, &own}, {{"theirs"}, &theirs}});
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].rows.size(), own.rows.size());
  for (const auto& row : tables[0].rows) {
    EXPECT_EQ(row[0].text, "fine");
    EXPECT_TRUE(std::none_of(row.begin(), row.end(), [](const Cell& c) { return c.text.empty(); }));
  }
}

TEST(Report, PublishedTrainingStandsBesideOurPipelines) {
  const auto published = parse_results(R"({
    "source": "a table", "date": "2026", "chip": "m1", "machine": "unknown", "os": "unknown",
    "kind": "training", "rows": [
      {"kernels": 72, "ms_per_step_min": 148, "ms_per_step_max": 163},
      {"kernels": 99, "ms_per_step_min": 91.8, "ms_per_step_max": 91.8}]})",
                                       "m1.json");
  const BenchResult own = training("static");
  const Table table = side_by_side({{{"own"}, &own}, {{"m1"}, &published[0]}}).front();
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0][0].text, "static");
  EXPECT_EQ(table.rows[0].back().text, "148 to 163");
  EXPECT_EQ(table.rows[1].back().text, "91.8");
  EXPECT_EQ(published[0].description, "");
}

TEST(Report, ComponentsOfAStepAreInTableAndPlot) {
  BenchResult result;
  result.benchmark = "step";
  result.device = "cpu";
  result.rows = {{{"model", "stories260k"}, {"ms", 2.5}, {"components", {{"gemm dw", 1.75}}}}};
  ReportInput input;
  input.results.push_back({"a.json", result});
  EXPECT_THAT(to_text(report_of(input)), HasSubstr("gemm dw"));
  EXPECT_THAT(to_text(report_of(input)), HasSubstr("1.75"));
  const Plot plot = step_plot(runs_of(input.results), "step");
  const auto drawn = std::find_if(plot.boxes.begin(), plot.boxes.end(),
                                  [](const PlotBoxes& boxes) { return boxes.name == "gemm dw"; });
  ASSERT_NE(drawn, plot.boxes.end());
  ASSERT_EQ(drawn->boxes.size(), 1u);
  EXPECT_EQ(drawn->boxes[0].to, 1.75);
}

TEST(Report, RowsThatOnlyOneResultHasStayInTheTable) {
  BenchResult first = simulated(), second = result_of("cpu", 3);
  first.rows.push_back(row(9999, 7));
  second.rows.push_back(row(8888, 7));
  const auto tables = side_by_side({{{"first"}, &first}, {{"second"}, &second}});
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].rows.size(), first.rows.size() + 1);
}

TEST(Report, ManyResultsMakeSeveralTables) {
  std::vector<BenchResult> results(9, simulated());
  std::vector<NamedResult> named;
  for (const BenchResult& result : results) named.push_back({{"a"}, &result});
  EXPECT_GT(side_by_side(named).size(), 2u);
}

TEST(Report, SizesThatDependOnTheTypeStandWithTheirResult) {
  BenchResult fp32 = result_of("cpu", 3);
  for (ordered_json& row : fp32.rows) row["weight_mb"] = 2 * number(row, "weight_mb");
  const BenchResult fp16 = simulated();
  const Table table = side_by_side({{{"fp32"}, &fp32}, {{"fp16"}, &fp16}}).front();
  std::vector<std::string> titles;
  for (const TableColumn& column : table.columns) titles.push_back(column.title);
  EXPECT_THAT(titles, ElementsAre("probe", "channels", "spatial", "W(MB)", "ms/eval", "TFLOPS",
                                  "W(MB)", "ms/eval", "TFLOPS"));
}

TEST(Report, ForeignTextIsHarmlessInThePage) {
  BenchResult result = simulated();
  const std::string evil = "<script>alert(1)</script>";
  result.device = result.description = result.dtype = evil;
  result.machine["commit"] = evil;
  result.settings["note"] = "\"><img src=x onerror=alert(1)>";
  result.rows[0]["probe"] = evil;
  result.rows[1]["refused"] = evil;
  BenchResult unknown = result;
  unknown.benchmark = evil;
  unknown.rows[0][evil] = evil;
  const std::string page = page_of({result, training(evil), unknown});
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, HasSubstr("--device &#39;&lt;script&gt;"));  // one word of the shell
}

TEST(Report, ALongNameDoesNotPushTheWordOutOfThePlot) {
  BenchResult result = training("static");
  result.device = std::string(300, 'x');
  const auto runs = runs_of({{"a.json", result}});
  EXPECT_THAT(gnuplot_script(step_plot(runs, "train")), HasSubstr("[1] (simulated)"));
}

TEST(Report, ThePageFetchesNothing) {
  const std::string page = page_of({simulated(), published()});
  for (const char* part : {"<script", "src=", "@import", "url(", "<link", "http://", "https://"}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

TEST(Report, WithoutADrawingThePageSaysWhy) {
  ReportInput input;
  input.results.push_back({"a.json", simulated()});
  const std::string page = to_html(report_of(input), [](const Plot&, const std::string&) {
    return Drawing{"", "not drawn: install gnuplot"};
  });
  EXPECT_EQ(count(page, "not drawn: install gnuplot"), 2u);
  EXPECT_EQ(count(page, "<figure>"), 2u);
}

TEST(Report, ResultsWithoutRowsAreRefused) {
  BenchResult empty = simulated();
  empty.rows.clear();
  ReportInput input;
  input.results.push_back({"a.json", empty});
  EXPECT_THROW(report_of(input), Error);
  EXPECT_THROW(report_of({}), Error);
}

TEST(Report, ResultsOfOneMachineAreOneRun) {
  BenchResult later = training("static");
  later.dtype = "fp16";
  BenchResult first = simulated();
  first.machine["time"] = "1";
  later.machine["time"] = "2";
  BenchResult again = first;
  const auto runs = runs_of({{"p.json", published()}, {"a", first}, {"b", later}, {"c", again}});
  ASSERT_EQ(runs.size(), 3u);  // the same benchmark again is another run
  EXPECT_EQ(runs[0].results.size(), 2u);
  EXPECT_EQ(runs[2].origin, Origin::kPublished);  // whatever the order of the files
}

}  // namespace
}  // namespace anemone
