// What results of benchmarks say: tables, fits, and a page with plots.
#include "anemone/report/report.h"

#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/report/html.h"
#include "anemone/report/text_report.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::vector<std::string> files, traces;
  std::string out, gnuplot = kGnuplot;
  bool markdown = false;
};

std::string page(const Document& document, const std::string& gnuplot) {
  return to_html(document, [&](const Plot& plot, const std::string& prefix) {
    return draw_with_gnuplot(plot, prefix, gnuplot);
  });
}

// In the format that the file's name asks for.
std::string written(const Document& document, const Options& o) {
  const std::string ending = std::filesystem::path(o.out).extension().string();
  if (ending == ".html") return page(document, o.gnuplot);
  if (ending == ".md") return to_markdown(document);
  return to_text(document);
}

void check_out(const Options& o) {
  if (o.out.empty()) return;
  const std::filesystem::path path = o.out;
  const std::string ending = path.extension().string();
  if (ending != ".html" && ending != ".md" && ending != ".txt") {
    fail("-o " + o.out, "its ending says no format", ".html, .md and .txt do");
  }
  if (path.has_parent_path() && !std::filesystem::is_directory(path.parent_path())) {
    fail("-o " + o.out, "there is no such folder", "mkdir -p " + path.parent_path().string());
  }
}

void run(const Options& o, const Arguments& arguments) {
  check_out(o);
  ReportInput input;
  input.arguments = arguments;
  for (const std::string& file : o.files) {
    for (BenchResult& result : read_results(file))
      input.results.push_back({file, std::move(result)});
  }
  for (const std::string& file : o.traces) input.traces.push_back(read_trace(file));
  const Document document = report_of(input);
  if (o.out.empty()) return print(o.markdown ? to_markdown(document) : to_text(document));
  write_file(o.out, written(document, o));
  print(o.out + "\n");
}

}  // namespace

void add_report(CLI::App& app, const Arguments& arguments) {
  CLI::App* command = app.add_subcommand(
      "report", "Results side by side, with fits; -o report.html makes a page with plots");
  auto o = std::make_shared<Options>();
  command->add_option("results", o->files, "Files of anemone bench, or published ones")->required();
  command->add_option("-o,--out", o->out, "A file: .html with plots, .md or .txt");
  command->add_option("--trace", o->traces, "A trace of anemone train, for a timeline")
      ->allow_extra_args(false);
  command->add_flag("--markdown", o->markdown, "Markdown instead of plain text on the terminal");
  command->add_option("--gnuplot", o->gnuplot, "The program that draws")->capture_default_str();
  command->callback([o, &arguments] { run(*o, arguments); });
}

}  // namespace anemone::cli
