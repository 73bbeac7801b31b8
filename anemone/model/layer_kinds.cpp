#include "anemone/model/layer_kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/model/config_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

constexpr const char *kFull = "full_attention", *kSliding = "sliding_attention";

// The list under `key`, one value per layer; null where there is none.
const Json* list_of_layers(const Json& json, const char* key, const TransformerConfig& config,
                           const std::string& where) {
  const Json* list = find_key(json, key);
  if (!list) return nullptr;
  if (!list->is_array()) refuse_value(key, *list, where);
  if (list->size() != static_cast<size_t>(config.layers)) {
    fail(where, fmt::format("'{}' is about {} layers, num_hidden_layers is {}", key, list->size(),
                            config.layers));
  }
  return list;
}

bool slides(const Json& type, const std::string& where) {
  if (type == kSliding) return true;
  if (type == kFull) return false;
  fail(where, fmt::format("'layer_types' has {}: Anemone cannot run such a model", brief(type)),
       fmt::format("it runs {} and {}", kFull, kSliding));
}

bool slides_by_rule(int64_t layer, const SlidingDefaults& rule) {
  if (rule.full_every > 0 && (layer + 1) % rule.full_every == 0) return false;
  return layer >= rule.first_sliding;
}

std::vector<LayerKind>& all_kinds(TransformerConfig& config) {
  config.layer_kinds.resize(static_cast<size_t>(config.layers));
  return config.layer_kinds;
}

// One name for layers that are all alike.
void simplify(TransformerConfig& config) {
  const auto& kinds = config.layer_kinds;
  if (std::all_of(kinds.begin(), kinds.end(),
                  [](const LayerKind& k) { return k == LayerKind{}; })) {
    config.layer_kinds.clear();
    config.window = 0;
  }
}

}  // namespace

void read_layer_types(TransformerConfig& config, const Json& json, const std::string& where,
                      const SlidingDefaults& defaults) {
  const bool on = defaults.always || flag_or(json, "use_sliding_window", false, where);
  const bool missing = !json.contains("sliding_window");
  config.window = !on ? 0 : missing ? defaults.window : size_or(json, "sliding_window", 0, where);
  std::vector<LayerKind>& kinds = all_kinds(config);
  const Json* types = list_of_layers(json, "layer_types", config, where);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const auto at = static_cast<size_t>(layer);
    kinds[at].sliding =
        types ? slides((*types)[at], where) : config.window > 0 && slides_by_rule(layer, defaults);
    if (kinds[at].sliding && config.window == 0) {
      fail(where, fmt::format("layer {} slides, but no window is said", layer),
           "sliding_window must be a size, and use_sliding_window true");
    }
  }
  simplify(config);
}

void write_layer_types(Json& json, const TransformerConfig& config) {
  Json types = Json::array();
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    types.push_back(config.kind_of(layer).sliding ? kSliding : kFull);
  }
  json["layer_types"] = types;
  json["use_sliding_window"] = config.window > 0;
  json["sliding_window"] = config.window > 0 ? Json(config.window) : Json();
}

void read_layers_without_rope(TransformerConfig& config, const Json& json,
                              const std::string& where) {
  const Json* has_rope = list_of_layers(json, "no_rope_layers", config, where);
  const int64_t interval = size_or(json, "no_rope_layer_interval", 4, where);
  if (interval < 1) fail(where, "'no_rope_layer_interval' is 0");
  std::vector<bool> rotates;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (!has_rope) {
      rotates.push_back((layer + 1) % interval != 0);
      continue;
    }
    const Json& value = (*has_rope)[static_cast<size_t>(layer)];
    if (value != 0 && value != 1) refuse_value("no_rope_layers", *has_rope, where, "0 or 1 each");
    rotates.push_back(value == 1);
  }
  // Without layer_types the layers without positions are those that slide.
  read_layer_types(config, json, where, {.window = 0});
  const bool by_rule = !find_key(json, "layer_types") && config.window > 0;
  std::vector<LayerKind>& kinds = all_kinds(config);
  for (size_t layer = 0; layer < kinds.size(); ++layer) {
    kinds[layer].rotates = rotates[layer];
    if (by_rule) kinds[layer].sliding = !rotates[layer];
  }
  simplify(config);
}

void write_layers_without_rope(Json& json, const TransformerConfig& config) {
  Json has_rope = Json::array();
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    has_rope.push_back(config.kind_of(layer).rotates ? 1 : 0);
  }
  json["no_rope_layers"] = has_rope;
}

}  // namespace anemone
