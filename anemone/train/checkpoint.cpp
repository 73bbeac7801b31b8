#include "anemone/train/checkpoint.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/data/safetensors.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

constexpr const char* kState = "trainer_state.json";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kLatest = "latest";

void write_moments(const fs::path& path, ParameterSet& parameters) {
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (Parameter& parameter : parameters.all()) {
    if (!parameter.is_trained()) continue;
    tensors.emplace_back("m." + parameter.name, parameter.first_moment->map());
    tensors.emplace_back("v." + parameter.name, parameter.second_moment->map());
  }
  write_safetensors(path, tensors);
}

std::string state_json(const TrainerState& state, const TransformerConfig& config) {
  nlohmann::json json = {{"format", 1},
                         {"step", state.step},
                         {"random_state", state.position.random_state},
                         {"rope_interleaved", config.rope.interleaved},
                         {"options", to_json(state.options)},
                         {"totals", to_json(state.totals)}};
  if (const auto& scale = state.loss_scale) {
    json["loss_scale"] = {{"scale", scale->scale},
                          {"dynamic", scale->dynamic},
                          {"good", scale->good},
                          {"skipped", scale->skipped}};
  }
  return json.dump(2) + "\n";
}

LossScale read_loss_scale(const nlohmann::json& json, const std::string& where) {
  const LossScale scale{json.at("scale"), json.at("dynamic"), json.at("good"), json.at("skipped")};
  const bool sound = scale.scale > 0 && scale.scale <= LossScale::kMost && scale.good >= 0;
  if (!sound) fail(where, "it is damaged: the loss scale makes no sense");
  return scale;
}

// The checkpoint that `latest` names, empty if there is none.
std::string latest_name(const fs::path& out) {
  if (!fs::exists(out / kLatest)) return "";
  std::string name = read_file(out / kLatest);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  // The directory is removed when a newer one is there: nothing else may be named.
  if (!name.starts_with("step-") || name.find('/') != std::string::npos) {
    fail((out / kLatest).string(), "it does not name a checkpoint",
         "write the name of the newest step-… directory into it");
  }
  return name;
}

// "step-00000100", also with ".tmp" behind it.
bool is_checkpoint_name(std::string name) {
  if (name.ends_with(".tmp")) name.resize(name.size() - 4);
  return name.size() == 13 && name.starts_with("step-") &&
         name.find_first_not_of("0123456789", 5) == std::string::npos;
}

// Earlier checkpoints, and what a run that was killed while it saved has left.
void remove_leftovers(const fs::path& out, const std::string& newest) {
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename();
    const bool old = is_checkpoint_name(name) && name != newest;
    if (old || name.starts_with(std::string(kLatest) + ".tmp")) leftovers.push_back(entry.path());
  }
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover);
}

// A directory that disappears again unless it is kept.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(fs::path path) : path_(std::move(path)) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  void rename_to(const fs::path& target) {
    sync_directory(path_);
    fs::remove_all(target);
    fs::rename(path_, target);
    path_.clear();
  }

 private:
  fs::path path_;
};

}  // namespace

void save_checkpoint(const fs::path& out, const TrainerState& state, ParameterSet& parameters) {
  latest_name(out);  // refuses a directory whose `latest` is not ours
  const std::string name = fmt::format("step-{:08}", state.step);
  try {
    TemporaryDirectory temporary(out / (name + ".tmp"));
    if (parameters.config().lora) {
      write_adapter(temporary.path(), parameters.weights(), state.options.model);
    } else {
      write_hf_directory(temporary.path(), parameters.weights());
    }
    write_moments(temporary.path() / kOptimizer, parameters);
    write_file(temporary.path() / kState, state_json(state, parameters.config()));
    temporary.rename_to(out / name);
    sync_directory(out);
    write_file(out / kLatest, name + "\n");
    sync_directory(out);
    remove_leftovers(out, name);
  } catch (const fs::filesystem_error& error) {
    fail_io(out.string(), "write a checkpoint", error.code().value());
  }
}

fs::path resolve_checkpoint(const fs::path& directory) {
  if (!fs::is_directory(directory)) return directory;
  const std::string name = latest_name(directory);
  if (!name.empty()) return directory / name;
  return directory;
}

TrainerState read_trainer_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kState;
  if (!fs::exists(path)) {
    fail(checkpoint.string(), "there is no checkpoint to resume from",
         "it needs the directory of an earlier `anemone train --out`");
  }
  try {
    const nlohmann::json json = parse_strict_json(read_file(path), path.string());
    TrainerState state;
    if (!json.at("step").is_number_unsigned() || !json.at("random_state").is_number_unsigned()) {
      fail(path.string(), "it is damaged: step and random_state are no whole numbers");
    }
    json.at("step").get_to(state.step);
    json.at("random_state").get_to(state.position.random_state);
    state.options = train_options_from_json(json.at("options"), path.string());
    if (json.contains("loss_scale")) {
      state.loss_scale = read_loss_scale(json["loss_scale"], path.string());
    }
    if (json.contains("totals")) state.totals = run_totals_from_json(json["totals"]);
    if (state.step < 0) fail(path.string(), "it is damaged: the step is too large");
    return state;
  } catch (const nlohmann::json::exception& error) {
    fail(path.string(), std::string("it is damaged: ") + error.what());
  }
}

ModelWeights read_checkpoint_weights(const fs::path& checkpoint) {
  ModelWeights weights = load_model(checkpoint);
  const fs::path state = checkpoint / kState;
  if (!fs::exists(state)) return weights;
  const nlohmann::json json = parse_strict_json(read_file(state), state.string());
  // The model's file has halves, the moments are as they were trained: before the file said it,
  // interleaved.
  const auto order = json.find("rope_interleaved");
  if (order != json.end() && !order->is_boolean()) {
    fail(state.string(), "it is damaged: rope_interleaved is neither true nor false");
  }
  set_interleaved(weights, order == json.end() || order->get<bool>());
  return weights;
}

void read_moments(const fs::path& checkpoint, ParameterSet& parameters) {
  const SafetensorsFile file(checkpoint / kOptimizer);
  for (Parameter& parameter : parameters.all()) {
    if (!parameter.is_trained()) continue;
    for (const char* kind : {"m.", "v."}) {
      const std::string name = kind + parameter.name;
      if (!file.has(name)) fail(file.path().string(), "tensor '" + name + "' is missing");
      const Tensor tensor = file.read(name, DType::kFp32);
      if (tensor.shape() != parameter.shape) {
        fail(file.path().string(), "tensor '" + name + "' is " + to_string(tensor.shape()) +
                                       ", the model's " + to_string(parameter.shape));
      }
      (*kind == 'm' ? parameter.first_moment : parameter.second_moment)->write(tensor);
    }
  }
}

}  // namespace anemone
