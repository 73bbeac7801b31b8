// What results of benchmarks say: tables, fits, and a page with pictures.
#include "anemone/report/fit.h"
#include "anemone/report/text_report.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  bool markdown = false;
};

std::vector<BenchResult> read_all(const std::vector<std::string>& files) {
  std::vector<BenchResult> results;
  for (const std::string& file : files) {
    for (BenchResult& result : read_results(file)) results.push_back(std::move(result));
  }
  return results;
}

void run(const Options& o) {
  for (const BenchResult& result : read_all(o.files)) {
    print((o.markdown ? markdown_table(result) : text_table(result)) + "\n");
    for (const auto& [probe, fit] : fit_result(result)) {
      const std::string text = (probe.empty() ? "" : probe + " probe, ") + to_text(fit);
      print((o.markdown ? "```\n" + text + "```\n" : text) + "\n");
    }
  }
}

}  // namespace

void add_report(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "What results of benchmarks say");
  auto o = std::make_shared<Options>();
  command->add_option("results", o->files, "Files of anemone bench, or published ones")->required();
  command->add_flag("--markdown", o->markdown, "Markdown instead of plain text");
  command->callback([o] { run(*o); });
}

}  // namespace anemone::cli
