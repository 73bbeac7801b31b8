#include "anemone/report/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

// Columns that say what was measured; everything else is a measurement.
constexpr const char* kLabels[] = {"probe",   "program", "variant",  "pipeline", "inputs",
                                   "weights", "depth",   "channels", "spatial",  "model",
                                   "dtype",   "batch",   "accum",    "kernel"};
constexpr const char* kTimes[] = {"ms", "ms_per_step"};

std::string label_of(const ordered_json& row) {
  std::string label;
  for (const char* name : kLabels) {
    const auto found = row.find(name);
    if (found == row.end()) continue;
    // Results from before there were several say nothing of it.
    if (std::string_view(name) == "accum" && *found == 1) continue;
    label += fmt::format("{}{} {}", label.empty() ? "" : ", ", name,
                         found->is_string() ? found->get<std::string>() : found->dump());
  }
  return label;
}

const ordered_json* find_row(const BenchResult& result, const std::string& label) {
  for (const ordered_json& row : result.rows) {
    if (label_of(row) == label) return &row;
  }
  return nullptr;
}

double spread(const ordered_json& row, double value) {
  const double low = number(row, "p10", value), high = number(row, "p90", value);
  return (high - low) / 2 / value;
}

// A ratio within one run does not move with the machine's mood as times do.
void add_change(Comparison& result, const std::string& label, const std::string& metric,
                const ordered_json& before, const ordered_json& after, double tolerance) {
  RowChange change{label, metric, number(before, metric.c_str()), number(after, metric.c_str())};
  if (change.before <= 0 || change.after <= 0) return;
  const bool is_time = !metric.ends_with("_share");
  change.noise = tolerance;
  if (is_time) {
    change.noise =
        std::max({tolerance, spread(before, change.before), spread(after, change.after)});
  }
  const double gain = is_time ? -change.change() : change.change();
  change.worse = gain < -change.noise;
  change.better = gain > change.noise;
  result.rows.push_back(change);
}

void compare_rows(Comparison& result, const std::string& label, const ordered_json& before,
                  const ordered_json& after, double tolerance) {
  bool has_share = false;
  for (const auto& [name, value] : before.items()) {
    if (!name.ends_with("_share")) continue;
    has_share = true;
    add_change(result, label, name, before, after, tolerance);
  }
  if (has_share) return;
  for (const char* time : kTimes) add_change(result, label, time, before, after, tolerance);
}

}  // namespace

bool Comparison::worse() const {
  return std::any_of(rows.begin(), rows.end(), [](const RowChange& row) { return row.worse; });
}

Comparison compare(const BenchResult& before, const BenchResult& after, double tolerance) {
  if (before.benchmark != after.benchmark || before.device != after.device) {
    fail("bench compare", fmt::format("{} of {} cannot be compared with {} of {}", before.benchmark,
                                      before.device, after.benchmark, after.device));
  }
  Comparison result;
  for (const ordered_json& row : before.rows) {
    const std::string label = label_of(row);
    const ordered_json* other = find_row(after, label);
    if (other) {
      compare_rows(result, label, row, *other, tolerance);
    } else {
      result.only_before.push_back(label);
    }
  }
  for (const ordered_json& row : after.rows) {
    if (!find_row(before, label_of(row))) result.only_after.push_back(label_of(row));
  }
  if (result.rows.empty()) {
    fail("bench compare", "the two results have no row with a measurement in common");
  }
  return result;
}

std::string to_text(const Comparison& comparison) {
  std::string text;
  int worse = 0;
  for (const RowChange& row : comparison.rows) {
    worse += row.worse ? 1 : 0;
    text += fmt::format("{:<9}{:>+7.1f} %  (noise {:.1f} %)  {} {:.4g} -> {:.4g}  {}\n",
                        row.worse    ? "WORSE"
                        : row.better ? "better"
                                     : "same",
                        100 * row.change(), 100 * row.noise, row.metric, row.before, row.after,
                        row.label);
  }
  for (const std::string& label : comparison.only_before) text += "gone     " + label + "\n";
  for (const std::string& label : comparison.only_after) text += "new      " + label + "\n";
  return text + fmt::format("{} of {} measurements got worse beyond the noise\n", worse,
                            comparison.rows.size());
}

}  // namespace anemone
