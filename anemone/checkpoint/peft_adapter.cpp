#include "anemone/checkpoint/peft_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/safetensors.h"
#include "anemone/model/config_json.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kTensors = "adapter_model.safetensors";
// PEFT's classes around the model, in the names of tensors.
constexpr const char* kPrefix = "base_model.model.";

Json read_config(const fs::path& directory) {
  const fs::path path = directory / kConfig;
  Json json = parse_strict_json(read_file(path), path.string());
  if (!json.is_object()) fail(path.string(), "is not a JSON object");
  return json;
}

// Settings of PEFT 0.21 that change what an adapter computes, unless they are null, false or empty.
constexpr const char* kRefused[] = {
    "alpha_pattern",     "alora_invocation_tokens",
    "arrow_config",      "exclude_modules",
    "fan_in_fan_out",    "kasa_config",
    "layer_replication", "layers_pattern",
    "lora_bias",         "layers_to_transform",
    "megatron_config",   "modules_to_save",
    "rank_pattern",      "monteclora_config",
    "target_parameters", "trainable_token_indices",
    "use_bdlora",        "use_dora",
    "use_qalora",        "velora_config",
};
// Ways to begin that change the model's own weights too.
constexpr const char* kChangesBase[] = {"pissa", "olora", "loftq", "corda", "lora_ga"};

bool is_off(const Json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

void check_settings(const Json& json, const std::string& where) {
  const Json* type = find_key(json, "peft_type");
  if (!type || *type != "LORA") {
    fail(where, fmt::format("'peft_type' is {}", type ? brief(*type) : "missing"),
         "Anemone runs LORA adapters");
  }
  const Json* bias = find_key(json, "bias");
  if (bias && *bias != "none") refuse_value("bias", *bias, where, "it must be none");
  const Json* init = find_key(json, "init_lora_weights");
  for (const char* way : kChangesBase) {
    if (init && init->is_string() && init->get<std::string>().starts_with(way)) {
      refuse_value("init_lora_weights", *init, where, "it changed the weights beside the adapter");
    }
  }
  for (const char* key : kRefused) {
    const Json* value = find_key(json, key);
    if (value && !is_off(*value)) {
      fail(where,
           fmt::format("'{}' is {}: Anemone does not compute such an adapter", key, brief(*value)));
    }
  }
}

// The modules of the list, each by its last part.
std::vector<std::string> targets_of(const Json& json, const std::string& where) {
  const Json* list = find_key(json, "target_modules");
  if (!list || !list->is_array()) {
    fail(where, fmt::format("'target_modules' is {}", list ? brief(*list) : "missing"),
         "Anemone takes a list of modules such as q_proj");
  }
  std::set<std::string> targets;
  for (const Json& module : *list) {
    if (!module.is_string()) fail(where, "'target_modules' has something other than a name");
    const auto name = module.get<std::string>();
    targets.insert(name.substr(name.rfind('.') + 1));
  }
  return {targets.begin(), targets.end()};
}

Lora read_lora(const fs::path& directory) {
  const std::string where = (directory / kConfig).string();
  const Json json = read_config(directory);
  check_settings(json, where);
  Lora lora;
  lora.rank = size_or(json, "r", 8, where);
  lora.alpha = number_or(json, "lora_alpha", 8, where);
  lora.targets = targets_of(json, where);
  lora.rank_stabilized = flag_or(json, "use_rslora", false, where);
  return lora;
}

Json lora_json(const Lora& lora, const std::string& base) {
  return {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", base},
      {"r", lora.rank},
      {"lora_alpha", lora.alpha == std::round(lora.alpha) ? Json(static_cast<int64_t>(lora.alpha))
                                                          : Json(lora.alpha)},
      {"target_modules", lora.targets},
      {"use_rslora", lora.rank_stabilized},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"lora_dropout", 0.0}};
}

template <typename Visit>
void for_each_adapter(const TransformerConfig& config, Visit&& visit) {
  for (const ParameterSpec& spec : parameters(config)) {
    if (spec.adapter) visit(spec);
  }
}

// What the model calls a tensor of the file.
void check_names(const SafetensorsFile& file, const TransformerConfig& config) {
  std::set<std::string> known;
  for_each_adapter(config, [&](const ParameterSpec& spec) { known.insert(kPrefix + spec.name); });
  for (const std::string& name : file.names()) {
    if (!known.contains(name)) {
      fail(file.path().string(), fmt::format("the model has no place for tensor '{}'", name),
           "this is the adapter of another model, or of other modules than target_modules says");
    }
  }
}

Tensor read_tensor(const SafetensorsFile& file, const ParameterSpec& spec) {
  const std::string name = kPrefix + spec.name;
  const std::string where = fmt::format("{}, tensor '{}'", file.path().string(), name);
  if (!file.has(name)) fail(file.path().string(), fmt::format("tensor '{}' is missing", name));
  const TensorView stored = file.describe(name);
  if (stored.shape != spec.shape) {
    fail(where,
         fmt::format("has shape {}, the model asks for {}", to_string(stored.shape),
                     to_string(spec.shape)),
         "this is the adapter of another model");
  }
  if (!is_float(stored.dtype)) {
    fail(where, fmt::format("has elements of type {}", anemone::name(stored.dtype)));
  }
  return file.read(name, DType::kFp32);
}

// w [out, in] += scale * b [out, rank] · a [rank, in].
void add_product(const Tensor& w, const Tensor& b, const Tensor& a, double scale) {
  const int64_t out = w.shape()[0], in = w.shape()[1], rank = a.shape()[0];
  std::vector<double> row(static_cast<size_t>(in));
  for (int64_t o = 0; o < out; ++o) {
    std::fill(row.begin(), row.end(), 0.0);
    for (int64_t r = 0; r < rank; ++r) {
      const double factor = scale * b.as<float>()[static_cast<size_t>(o * rank + r)];
      const std::span<const float> from = a.as<float>().subspan(static_cast<size_t>(r * in));
      for (size_t i = 0; i < row.size(); ++i) row[i] += factor * from[i];
    }
    const std::span<float> to = w.as<float>().subspan(static_cast<size_t>(o * in));
    for (size_t i = 0; i < row.size(); ++i) to[i] = static_cast<float>(to[i] + row[i]);
  }
}

}  // namespace

bool is_adapter(const fs::path& directory) { return fs::exists(directory / kConfig); }

std::string adapter_base(const fs::path& directory) {
  const Json json = read_config(directory);
  const Json* base = find_key(json, "base_model_name_or_path");
  return base && base->is_string() ? base->get<std::string>() : "";
}

void add_adapter(ModelWeights& weights, const Lora& lora, uint64_t seed) {
  set_interleaved(weights, false);
  weights.config.lora = lora;
  weights.config.validate("--lora-rank");
  Random random(seed);
  for_each_adapter(weights.config, [&](const ParameterSpec& spec) {
    Tensor tensor(DType::kFp32, spec.shape);
    for (float& value : tensor.as<float>()) {
      value = spec.deviation == 0 ? 0 : static_cast<float>(spec.deviation * random.normal());
    }
    weights.tensors[spec.name] = std::move(tensor);
  });
}

void load_adapter(ModelWeights& weights, const fs::path& directory) {
  if (!fs::exists(directory)) fail_io(directory.string(), "open the adapter", ENOENT);
  if (!is_adapter(directory)) {
    fail(directory.string(), fmt::format("has no {}", kConfig), "is this the adapter of a model?");
  }
  set_interleaved(weights, false);
  weights.config.lora = read_lora(directory);
  weights.config.validate((directory / kConfig).string());
  const SafetensorsFile file(directory / kTensors);
  check_names(file, weights.config);
  for_each_adapter(weights.config, [&](const ParameterSpec& spec) {
    weights.tensors[spec.name] = read_tensor(file, spec);
  });
}

void write_adapter(const fs::path& directory, const ModelView& weights, const std::string& base) {
  ANEMONE_CHECK(weights.config.lora.has_value());
  std::vector<std::pair<std::string, TensorView>> tensors;
  for_each_adapter(weights.config, [&](const ParameterSpec& spec) {
    tensors.emplace_back(kPrefix + spec.name, weights.tensors.at(spec.name));
  });
  make_writable_directory(directory);
  write_safetensors(directory / kTensors, tensors);
  write_file(directory / kConfig, lora_json(*weights.config.lora, base).dump(2) + "\n");
}

void merge_adapter(ModelWeights& weights) {
  if (!weights.config.lora) return;
  const double scale = weights.config.lora->scale();
  for_each_adapter(weights.config, [&](const ParameterSpec& spec) {
    constexpr std::string_view kA = ".lora_A.weight";
    if (!spec.name.ends_with(kA)) return;
    const std::string module = spec.name.substr(0, spec.name.size() - kA.size());
    Tensor& weight = weights.tensors.at(module + ".weight");
    if (weight.dtype() != DType::kFp32) weight = weight.cast(DType::kFp32);
    add_product(weight, weights.tensors.at(module + ".lora_B.weight"),
                weights.tensors.at(spec.name), scale);
    weights.tensors.erase(module + ".lora_B.weight");
    weights.tensors.erase(spec.name);
  });
  weights.config.lora.reset();
}

}  // namespace anemone
