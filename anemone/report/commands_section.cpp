// How to make a report and its results again.
#include <fmt/format.h>

#include "anemone/report/plain_text.h"
#include "anemone/report/report.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

// The flags that a result's settings came from.
std::string flags_of(const BenchResult& result) {
  static const std::pair<const char*, const char*> kFlags[] = {
      {"rounds", "--rounds"}, {"threads", "--threads"}, {"model", "--model"},
      {"batch", "--batch"},   {"sequence", "--seq"},    {"accumulation", "--accum"},
      {"data", "--data"},     {"values", "--values"}};
  std::string flags;
  for (const auto& [setting, flag] : kFlags) {
    const auto found = result.settings.find(setting);
    if (found == result.settings.end() || *found == 0 || *found == "random tokens") continue;
    if (!found->is_string() && !found->is_number()) continue;
    flags += fmt::format(
        " {} {}", flag, shell_word(found->is_string() ? found->get<std::string>() : found->dump()));
  }
  // Of a step's products, or of a decoder's weights; other benchmarks have no choice.
  const bool chooses = result.benchmark == "step" || result.benchmark == "decode";
  if (chooses && !result.rows.empty()) {
    flags += " --dtype " + result.rows.at(0).value("dtype", std::string("fp32"));
  }
  return flags;
}

bool is_own(const BenchResult& result) {
  for (const char* name :
       {"peak", "inmem", "sram", "dispatch", "int8", "train", "step", "decode"}) {
    if (result.benchmark == name) return !result.published();
  }
  return false;
}

}  // namespace

Section commands_section(const std::vector<Run>& runs, const std::vector<std::string>& arguments) {
  Commands bench, report;
  Items sources;
  for (const Run& run : runs) {
    for (const RunResult& r : run.results) {
      if (!is_own(r.result)) continue;
      bench.lines.push_back(fmt::format("anemone bench {} --device {}{} --out {}",
                                        r.result.benchmark, shell_word(r.result.device),
                                        flags_of(r.result), shell_word(r.path)));
    }
    if (!run.first().published()) continue;
    sources.lines.push_back(
        fmt::format("{}: {}, from {}", run.name().text, run.results[0].path, run.first().source));
  }
  std::string line = "anemone";
  for (const std::string& argument : arguments) line += " " + shell_word(argument);
  report.lines.push_back(line);

  Section section{"How to make it again", {}};
  if (!bench.lines.empty()) {
    section.blocks.push_back(Paragraph{"Results, each on the machine that its run names:"});
    section.blocks.push_back(std::move(bench));
  }
  if (!sources.lines.empty()) {
    section.blocks.push_back(Paragraph{"Published ones:"});
    section.blocks.push_back(std::move(sources));
  }
  section.blocks.push_back(Paragraph{"This report:"});
  section.blocks.push_back(std::move(report));
  return section;
}

}  // namespace anemone
