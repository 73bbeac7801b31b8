#include "anemone/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace anemone {
namespace {

using nlohmann::ordered_json;

const std::map<std::string, std::vector<Column>>& all_columns() {
  static const std::vector<Column> times = {{"ms/eval", "ms", -4},    {"p10", "p10", -4},
                                            {"p90", "p90", -4},       {"n", "n", 0},
                                            {"TFLOPS", "tflops", -3}, {"refused", "refused", 0}};
  static const std::vector<Column> chain = {
      {"depth", "depth", 0}, {"channels", "channels", 0}, {"spatial", "spatial", 0}};
  const auto joined = [](std::vector<Column> first, const std::vector<Column>& then) {
    first.insert(first.end(), then.begin(), then.end());
    return first;
  };
  static const std::map<std::string, std::vector<Column>> columns = {
      {"peak", joined(joined(chain, {{"W(MB)", "weight_mb", 1}, {"GFLOP", "gflop", 2}}), times)},
      {"inmem",
       joined({{"channels", "channels", 0}, {"spatial", "spatial", 0}, {"W(MB)", "weight_mb", 1}},
              times)},
      {"sram", joined(joined({{"probe", "probe", 0},
                              {"channels", "channels", 0},
                              {"spatial", "spatial", 0},
                              {"W(MB)", "weight_mb", 1},
                              {"Act(MB)", "activation_mb", 2}},
                             times),
                      {{"GFLOPS/MB", "gflops_per_mb", 1}})},
      {"dispatch", joined({{"program", "program", 0},
                           {"inputs", "inputs", 0},
                           {"weights", "weights", 0},
                           {"channels", "channels", 0},
                           {"spatial", "spatial", 0},
                           {"W(MB)", "weight_mb", 3},
                           {"GFLOP", "gflop", -2}},
                          times)},
      {"int8", joined({{"variant", "variant", 0},
                       {"depth", "depth", 0},
                       {"channels", "channels", 0},
                       {"spatial", "spatial", 0},
                       {"W(MB)", "weight_mb", 1},
                       {"GFLOP", "gflop", 2}},
                      joined(times, {{"vs fp16", "speedup", 2}}))},
      {"train",
       {{"pipeline", "pipeline", 0},
        {"programs", "programs_total", 0},
        {"ms/step", "ms_per_step", 1},
        {"ANE TFLOPS", "ane_tflops", 2},
        {"total TFLOPS", "total_tflops", 2},
        {"ANE util. %", "utilization_pct", 1},
        {"compile %", "compile_pct", 1},
        {"train %", "train_pct", 1},
        {"ane", "components.ane", 1},
        {"io", "components.io", 1},
        {"cls", "components.cls", 1},
        {"layers", "components.layers", 1},
        {"elem", "components.elem", 1},
        {"rms", "components.rms", 1},
        {"wait", "components.cblas_wait", 1},
        {"dw", "components.dw", 1},
        {"refused", "refused", 0}}},
  };
  return columns;
}

const ordered_json* find(const ordered_json& row, std::string_view field) {
  const size_t dot = field.find('.');
  const auto found = row.find(std::string(field.substr(0, dot)));
  if (found == row.end()) return nullptr;
  if (dot == std::string_view::npos) return &*found;
  return found->is_object() ? find(*found, field.substr(dot + 1)) : nullptr;
}

// A result of a kind that has no table here: its plain fields.
std::vector<Column> plain_columns(const BenchResult& result) {
  std::vector<Column> columns;
  for (const ordered_json& row : result.rows) {
    for (const auto& [name, value] : row.items()) {
      const bool known = std::any_of(columns.begin(), columns.end(),
                                     [&](const Column& column) { return column.field == name; });
      if (!known && value.is_primitive()) columns.push_back({name, name, -4});
    }
  }
  return columns;
}

std::vector<std::vector<std::string>> cells_of(const BenchResult& result,
                                               const std::vector<Column>& columns) {
  std::vector<std::vector<std::string>> table(1);
  for (const Column& column : columns) table[0].push_back(column.title);
  for (const ordered_json& row : result.rows) {
    table.emplace_back();
    for (const Column& column : columns) table.back().push_back(cell(row, column));
  }
  return table;
}

}  // namespace

std::vector<Column> columns_of(const BenchResult& result) {
  const auto known = all_columns().find(result.benchmark);
  if (known == all_columns().end()) return plain_columns(result);
  std::vector<Column> columns;
  for (const Column& column : known->second) {
    const bool used = std::any_of(result.rows.begin(), result.rows.end(),
                                  [&](const ordered_json& row) { return find(row, column.field); });
    if (used) columns.push_back(column);
  }
  return columns;
}

std::string cell(const ordered_json& row, const Column& column) {
  const ordered_json* value = find(row, column.field);
  if (!value) return "";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_number()) return value->dump();
  const double x = value->get<double>();
  if (column.decimals < 0) return fmt::format("{:.{}g}", x, -column.decimals);
  return fmt::format("{:.{}f}", x, column.decimals);
}

std::string heading(const BenchResult& result) {
  const auto cpu = result.machine.find("cpu");
  std::string text = fmt::format("{} on {}", result.benchmark, result.label());
  if (!result.description.empty()) text += ": " + result.description;
  if (result.published()) return text + "; source: " + result.source;
  if (cpu != result.machine.end() && cpu->is_string() && !result.simulated) {
    text += fmt::format("; {}, commit {}", cpu->get<std::string>(),
                        result.machine.value("commit", "unknown"));
  }
  return text;
}

std::string text_table(const BenchResult& result) {
  const auto table = cells_of(result, columns_of(result));
  std::vector<size_t> widths(table[0].size(), 0);
  for (const auto& row : table) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text = heading(result) + "\n";
  for (const auto& row : table) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += fmt::format("{}{:>{}}", c == 0 ? "" : "  ", row[c], widths[c]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string markdown_table(const BenchResult& result) {
  const auto table = cells_of(result, columns_of(result));
  std::string text = "### " + heading(result) + "\n\n";
  for (size_t r = 0; r < table.size(); ++r) {
    text += "|";
    for (const std::string& value : table[r]) text += " " + value + " |";
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (size_t c = 0; c < table[0].size(); ++c) text += "---:|";
    text += "\n";
  }
  return text;
}

}  // namespace anemone
