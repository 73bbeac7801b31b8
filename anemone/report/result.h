// What a benchmark measured, as a file: docs/benchmarks.md describes every field.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace anemone {

inline constexpr int kResultVersion = 1;

// Rows are JSON objects, since each benchmark has columns of its own. Those of single programs have
// `ms` (median), `p10`, `p90`, `n`, or `refused` with the reason why the device would not run them.
// Sizes in `_mb` are MiB (as the published tables have it), rates decimal.
struct BenchResult {
  std::string benchmark;    // "peak", "inmem", "sram", "dispatch", "int8", "train", "step"
  std::string device;       // "cpu", "sim:m4-max", "ane"; of a published one the chip, "m4-max"
  std::string description;  // a person's line about the device
  std::string dtype;        // of the programs: "fp32", "fp16"; empty where it means nothing
  bool simulated = false;
  std::string source;  // where a published result comes from; empty for those of this program
  nlohmann::ordered_json machine = nlohmann::ordered_json::object();
  nlohmann::ordered_json settings = nlohmann::ordered_json::object();  // how it was measured
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();

  bool published() const { return !source.empty(); }
  // "sim:m4-max (simulated)", "m4-max (published)", "cpu".
  std::string label() const;
};

nlohmann::ordered_json to_json(const BenchResult& result);

// The results of a file: one of ours, one of results/published, or a submission in the community's
// schema (schema_version 1: system, benchmarks), which holds several. Throws Error at the path for
// what is no JSON, of another version, or without what the schema asks for.
std::vector<BenchResult> read_results(const std::filesystem::path& path);
std::vector<BenchResult> parse_results(std::string_view text, const std::string& where);

// Row `name`, or `otherwise` where the row has no such number.
double number(const nlohmann::ordered_json& row, const char* name, double otherwise = 0);

}  // namespace anemone
