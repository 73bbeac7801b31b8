// What several verbs print or ask for in the same way.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "anemone/devices/device.h"
#include "anemone/weights/model_weights.h"

namespace anemone::cli {

// stdout; throws Error(kIo) where nobody takes it (a full disk, a closed pipe).
void print(const std::string& text);
void print_json(const nlohmann::json& json);

// "anemone: note: ..." on standard error, a line each.
void print_notes(const std::vector<std::string>& notes);

// "1,234,567".
std::string with_commas(int64_t value);
// "1:02:03", "2:03".
std::string duration(double seconds);

// Throws Error where writing `out` would destroy `in`.
void refuse_same_file(const std::string& in, const std::string& out);

// A preset's name gives its configuration with weights from `seed`; a path a model with weights, or
// the newest checkpoint of a training run. Prints the notes of a model that is read.
bool is_preset(const std::string& model);
ModelWeights load_weights_of(const std::string& model, const std::string& flag = "--model");

// `--device`, `--ane-route` and `--threads`, the same everywhere.
struct DeviceOptions {
  std::string device = "cpu", ane_route = "auto";
  int threads = 0;

  void add_to(CLI::App& app);
  int thread_count() const;
};

// Throws Error for a device whose programs are not fp32: evaluation and generation are.
void require_fp32(const DeviceInfo& device);

// `given`, or the tokenizer that a training run keeps beside its checkpoints.
std::string tokenizer_path(const std::string& given, const std::string& model);

}  // namespace anemone::cli
