#include "anemone/train/named_model.h"

#include <fmt/format.h>

#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/train/checkpoint.h"
#include "anemone/train/parameters.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail_unknown(const std::string& model) {
  const std::vector<std::string> presets = model_preset_names();
  std::string names;
  for (const std::string& name : presets) names += (names.empty() ? "" : ", ") + name;
  const std::string meant = suggest(model, {presets.begin(), presets.end()});
  fail(model.empty() ? "''" : model, "there is no such file or directory, and no such preset",
       meant + (meant.empty() ? "" : " ") + "presets are " + names);
}

// The file or directory that holds the weights.
fs::path find_model(const std::string& model) {
  if (!fs::exists(model)) fail_unknown(model);
  return resolve_checkpoint(model);
}

// The model that the adapter in a directory stands beside.
std::string base_of(const fs::path& adapter) {
  const std::string base = adapter_base(adapter);
  if (fs::exists(base) && !fs::equivalent(base, adapter)) return base;
  fail(adapter.string(), fmt::format("it is an adapter, and its model '{}' is not here", base),
       "give the model as --model and this directory as --adapter");
}

}  // namespace

bool is_preset(const std::string& model) { return model_preset(model).has_value(); }

TransformerConfig config_of(const std::string& model, std::vector<std::string>* notes) {
  if (const auto preset = model_preset(model)) return *preset;
  const fs::path path = find_model(model);
  if (is_adapter(path)) return config_of(base_of(path), notes);
  return fs::is_directory(path) ? read_hf_config(path, notes) : load_model(path).config;
}

ModelWeights load_weights_of(const std::string& model, const std::string& flag, ReadAs as) {
  if (is_preset(model)) {
    fail(flag + " " + model, "a preset has no weights",
         "give a model file or directory, or train one: anemone train --model " + model);
  }
  const fs::path path = find_model(model);
  if (!is_adapter(path)) return load_model(path, as);
  ModelWeights weights = load_weights_of(base_of(path), flag, as);
  load_adapter(weights, path);
  return weights;
}

ModelWeights load_or_initialize(const std::string& model, uint64_t seed, ReadAs as) {
  const auto preset = model_preset(model);
  return preset ? initial_weights(*preset, seed) : load_weights_of(model, "--model", as);
}

}  // namespace anemone
