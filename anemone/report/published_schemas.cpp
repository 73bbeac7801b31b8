#include "anemone/report/published_schemas.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"

namespace anemone {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;

double positive(const json& row, const char* name, const std::string& where) {
  const auto found = row.find(name);
  if (found == row.end() || !found->is_number() || !(*found > 0)) {
    fail(where, fmt::format("a row without a positive '{}'", name));
  }
  return found->get<double>();
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The columns of a chain of square 1x1 convolutions in fp16.
ordered_json chain_row(double depth, double channels, double spatial, double ms) {
  const double gflop = 2 * depth * channels * channels * spatial * 1e-9;
  const double weight_mb = depth * channels * channels * 2 / kMiB;
  return {{"depth", depth},
          {"channels", channels},
          {"spatial", spatial},
          {"weight_mb", weight_mb},
          {"activation_mb", channels * spatial * 2 / kMiB},
          {"gflop", gflop},
          {"ms", ms},
          {"tflops", gflop / ms},
          {"gflops_per_mb", gflop / (ms * 1e-3) / weight_mb}};
}

// The community's rows do not say the width of the probe; what they took for their TFLOPS does.
double spatial_of(const json& row, double channels, double ms) {
  constexpr double kUsual = 64;
  if (!row.contains("tflops") || !row["tflops"].is_number()) return kUsual;
  const double spatial = row["tflops"].get<double>() * ms * 1e9 / (2 * channels * channels);
  return spatial > 0 && spatial < kUsual / 1.5 ? std::exp2(std::round(std::log2(spatial))) : kUsual;
}

// What is known of the machine, without the word for what is not.
std::string joined_known(std::initializer_list<std::string> words) {
  std::string text;
  for (const std::string& word : words) {
    if (!word.empty() && word != "unknown") text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

// A published range as a number where it is one, else as it was published.
void add_range(ordered_json& row, const char* ours, const json& published, const char* theirs) {
  const std::string name = theirs;
  const auto low = published.find(name + "_min"), high = published.find(name + "_max");
  if (low == published.end() || high == published.end()) return;
  if (!low->is_number() || !high->is_number()) return;
  row[name + "_min"] = *low;
  row[name + "_max"] = *high;
  if (*low == *high) {
    row[ours] = *low;
  } else {
    row[ours] = fmt::format("{} to {}", low->dump(), high->dump());
  }
}

// Their two trainers are told apart by the number of their programs.
ordered_json training_row(const json& published) {
  ordered_json row;
  const auto programs = published.find("kernels");
  if (programs != published.end() && *programs == 72) row["pipeline"] = "static";
  if (programs != published.end() && *programs == 99) row["pipeline"] = "static-ane";
  if (programs != published.end()) row["programs_total"] = *programs;
  add_range(row, "ms_per_step", published, "ms_per_step");
  add_range(row, "ane_forward_ms", published, "forward_ms");
  return row;
}

BenchResult community_result(const json& object, const char* benchmark) {
  const json& system = object["system"];
  BenchResult result;
  result.benchmark = benchmark;
  result.device = text_of(system, "chip");
  result.description = text_of(system, "machine") + ", macOS " + text_of(system, "macos_version");
  result.dtype = "fp16";
  result.source = "community submission by " + text_of(object, "username") + ", " +
                  text_of(object, "timestamp");
  result.machine = ordered_json(system);
  return result;
}

void add_chains(std::vector<BenchResult>& results, const json& object, const char* theirs,
                const char* ours, const std::string& where) {
  const json& benchmarks = object["benchmarks"];
  if (!benchmarks.contains(theirs) || !benchmarks[theirs].is_array()) return;
  BenchResult result = community_result(object, ours);
  for (const json& row : benchmarks[theirs]) {
    const double channels = positive(row, "channels", where);
    const double ms = positive(row, "ms_per_eval", where);
    const double depth = row.contains("depth") ? positive(row, "depth", where) : 1;
    const double spatial =
        row.contains("spatial") ? positive(row, "spatial", where) : spatial_of(row, channels, ms);
    result.rows.push_back(chain_row(depth, channels, spatial, ms));
  }
  results.push_back(std::move(result));
}

void add_training(std::vector<BenchResult>& results, const json& object) {
  const json& benchmarks = object["benchmarks"];
  BenchResult result = community_result(object, "train");
  for (const auto& [theirs, ours] : {std::pair{"training_cpu_classifier", "static"},
                                     {"training_ane_classifier", "static-ane"}}) {
    if (!benchmarks.contains(theirs) || !benchmarks[theirs].is_object()) continue;
    ordered_json row = {{"pipeline", ours}};
    for (const auto& [name, value] : benchmarks[theirs].items()) {
      // Two of their fields are the same figure; the one of the sustained rate is the later.
      const bool sustained = name == "ane_tflops_sustained";
      if (value.is_number()) row[sustained ? "ane_tflops" : name] = value;
    }
    result.rows.push_back(row);
  }
  if (!result.rows.empty()) results.push_back(std::move(result));
}

}  // namespace

bool is_community_result(const json& object) {
  return object.contains("schema_version") && object.contains("benchmarks");
}

std::vector<BenchResult> parse_community_result(const json& object, const std::string& where) {
  if (object["schema_version"] != 1) {
    fail(where, fmt::format("a submission of schema {}, not 1", brief(object["schema_version"])));
  }
  if (!object.contains("system") || !object["system"].is_object() ||
      !object["benchmarks"].is_object()) {
    fail(where, "a submission without 'system' and 'benchmarks'");
  }
  std::vector<BenchResult> results;
  add_chains(results, object, "inmem_peak", "peak", where);
  add_chains(results, object, "inmem_bench", "inmem", where);
  add_chains(results, object, "sram_probe", "sram", where);
  add_training(results, object);
  if (results.empty()) fail(where, "a submission without a benchmark that is known here");
  return results;
}

bool is_published_table(const json& object) {
  return object.contains("chip") && object.contains("kind") && object.contains("rows");
}

std::vector<BenchResult> parse_published_table(const json& object, const std::string& where) {
  BenchResult result;
  result.device = text_of(object, "chip");
  result.source = text_of(object, "source") + ", " + text_of(object, "date");
  result.description = joined_known({text_of(object, "machine"), text_of(object, "os"),
                                     text_of(object, "state") == "noisy" ? "busy" : ""});
  result.settings = {{"note", text_of(object, "note")}};
  if (!object["rows"].is_array()) fail(where, "a table whose rows are no list");
  if (object["kind"] == "conv") {
    result.dtype = "fp16";
    bool chains = false;
    for (const json& row : object["rows"]) {
      if (row.contains("kernel") && row["kernel"] != 1) continue;
      const double depth = positive(row, "depth", where);
      chains = chains || depth > 1;
      result.rows.push_back(chain_row(depth, positive(row, "channels", where),
                                      positive(row, "spatial", where), positive(row, "ms", where)));
    }
    result.benchmark = chains ? "peak" : "sram";
  } else if (object["kind"] == "training") {
    result.benchmark = "train";
    for (const json& row : object["rows"]) result.rows.push_back(training_row(row));
  } else {
    result.benchmark = object["kind"].is_string() ? object["kind"] : "unknown";
    result.rows = ordered_json(object["rows"]);
  }
  return {std::move(result)};
}

}  // namespace anemone
