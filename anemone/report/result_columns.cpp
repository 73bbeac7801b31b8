#include "anemone/report/result_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

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
      {"inmem", joined(joined({{"channels", "channels", 0},
                               {"spatial", "spatial", 0},
                               {"W(MB)", "weight_mb", 1}},
                              times),
                       {{"package(MB)", "package_mb", 1}, {"load ms", "load_ms", 2}})},
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
        {"ane forward", "ane_forward_ms", 1},
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

void add_plain(std::vector<Column>& columns, const std::string& title, const std::string& field,
               const ordered_json& value) {
  const bool known = std::any_of(columns.begin(), columns.end(),
                                 [&](const Column& column) { return column.field == field; });
  if (!known && value.is_primitive()) columns.push_back({title, field, -4});
}

// A result of a kind that has no table here: its plain fields, and those of its components.
std::vector<Column> plain_columns(const BenchResult& result) {
  std::vector<Column> columns;
  for (const ordered_json& row : result.rows) {
    for (const auto& field : row.items())
      add_plain(columns, field.key(), field.key(), field.value());
  }
  for (const ordered_json& row : result.rows) {
    const auto components = row.find("components");
    if (components == row.end() || !components->is_object()) continue;
    for (const auto& part : components->items()) {
      add_plain(columns, part.key(), "components." + part.key(), part.value());
    }
  }
  return columns;
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

ColumnRole role_of(const BenchResult& result, const Column& column) {
  static const std::set<std::string> names = {
      "depth",    "channels", "spatial", "probe",    "program",  "inputs",  "weights",
      "variant",  "kernel",   "kernels", "elements", "op",       "m",       "k",
      "pipeline", "model",    "dtype",   "batch",    "sequence", "threads", "accum"};
  static const std::set<std::string> sizes = {"weight_mb", "activation_mb", "gflop"};
  if (names.contains(column.field)) return ColumnRole::kName;
  // A matrix has an n, and so have samples.
  if (column.field == "n" && !result.rows.empty() && result.rows[0].contains("k")) {
    return ColumnRole::kName;
  }
  return sizes.contains(column.field) ? ColumnRole::kSize : ColumnRole::kValue;
}

}  // namespace anemone
