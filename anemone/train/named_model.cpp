#include "anemone/train/named_model.h"

#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/checkpoint/load_model.h"
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

}  // namespace

bool is_preset(const std::string& model) { return model_preset(model).has_value(); }

TransformerConfig config_of(const std::string& model, std::vector<std::string>* notes) {
  if (const auto preset = model_preset(model)) return *preset;
  const fs::path path = find_model(model);
  return fs::is_directory(path) ? read_hf_config(path, notes) : load_model(path).config;
}

ModelWeights load_weights_of(const std::string& model, const std::string& flag) {
  if (is_preset(model)) {
    fail(flag + " " + model, "a preset has no weights",
         "give a model file or directory, or train one: anemone train --model " + model);
  }
  return load_model(find_model(model));
}

ModelWeights load_or_initialize(const std::string& model, uint64_t seed) {
  const auto preset = model_preset(model);
  return preset ? initial_weights(*preset, seed) : load_weights_of(model);
}

}  // namespace anemone
