#include "anemone/model/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/model/config_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

constexpr const char* kKnown =
    "Anemone turns positions by rope_type default, linear, dynamic, yarn and llama3";
constexpr const char* kSliding = "sliding_attention";
constexpr std::pair<const char*, RopeScaling> kScalings[] = {{"default", RopeScaling::kNone},
                                                             {"linear", RopeScaling::kLinear},
                                                             {"dynamic", RopeScaling::kDynamic},
                                                             {"yarn", RopeScaling::kYarn},
                                                             {"llama3", RopeScaling::kLlama3}};

// Settings that play a part in a scaling; all know rope_theta, rope_type and type.
bool reads(RopeScaling scaling, const std::string& setting) {
  const auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), setting) != names.end();
  };
  if (is_one_of({"rope_theta", "rope_type", "type"})) return true;
  if (scaling == RopeScaling::kNone) return false;
  if (is_one_of({"factor", "original_max_position_embeddings"})) return true;
  if (scaling == RopeScaling::kLlama3) return is_one_of({"low_freq_factor", "high_freq_factor"});
  return scaling == RopeScaling::kYarn &&
         is_one_of({"beta_fast", "beta_slow", "truncate", "attention_factor", "mscale",
                    "mscale_all_dim"});
}

// An object of settings: the key of config.json, and where inside it the object is.
struct SettingsPlace {
  std::string key, inside;  // "rope_parameters", "full_attention."
  const std::string& where;
};

[[noreturn]] void refuse_setting(const SettingsPlace& place, const std::string& setting,
                                 const Json& value) {
  fail(place.where,
       fmt::format("'{}' has {}{} {}: Anemone cannot run such a model", place.key, place.inside,
                   setting, brief(value)),
       kKnown);
}

// Whether a setting that its scaling does not know changes nothing.
bool plays_no_part(const std::string& setting, const Json& value) {
  if (value.is_null() || setting == "original_max_position_embeddings") return true;
  return (setting == "factor" || setting == "partial_rotary_factor") && value.is_number() &&
         value == 1.0;
}

RopeScaling scaling_of(const Json& settings, const SettingsPlace& place) {
  for (const char* key : {"rope_type", "type"}) {
    const Json* type = find_key(settings, key);
    if (!type) continue;
    for (const auto& [name, scaling] : kScalings) {
      if (*type == name) return scaling;
    }
    refuse_setting(place, key, *type);
  }
  return RopeScaling::kNone;
}

double required(const Json& settings, const char* key, const SettingsPlace& place) {
  if (!find_key(settings, key)) {
    fail(place.where, fmt::format("'{}' has no {}{}", place.key, place.inside, key), kKnown);
  }
  return number_or(settings, key, 0, place.where);
}

// Peng et al. 2023: 0.1 ln(factor) + 1, or the ratio of two such.
double yarn_attention_factor(const Json& settings, double factor, const std::string& where) {
  const auto scale = [&](double weight) {
    return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1;
  };
  const double mscale = number_or(settings, "mscale", 0, where);
  const double all = number_or(settings, "mscale_all_dim", 0, where);
  const double usual = mscale != 0 && all != 0 ? scale(mscale) / scale(all) : scale(1);
  return number_or(settings, "attention_factor", usual, where);
}

void read_scaling(Rope& rope, const Json& settings, int64_t positions, const SettingsPlace& place) {
  const std::string& where = place.where;
  rope.factor = required(settings, "factor", place);
  if (rope.scaling == RopeScaling::kLinear || rope.scaling == RopeScaling::kDynamic) return;
  rope.original_positions = size_or(settings, "original_max_position_embeddings", positions, where);
  if (rope.scaling == RopeScaling::kLlama3) {
    rope.low_frequency_factor = required(settings, "low_freq_factor", place);
    rope.high_frequency_factor = required(settings, "high_freq_factor", place);
  } else if (rope.scaling == RopeScaling::kYarn) {
    rope.beta_fast = number_or(settings, "beta_fast", rope.beta_fast, where);
    rope.beta_slow = number_or(settings, "beta_slow", rope.beta_slow, where);
    rope.truncate = flag_or(settings, "truncate", true, where);
    rope.attention_factor = yarn_attention_factor(settings, rope.factor, where);
  }
}

// One object of settings; `theta` where it says none.
Rope rope_of(const Json& settings, double theta, int64_t positions, const SettingsPlace& place) {
  Rope rope;
  rope.scaling = scaling_of(settings, place);
  for (const auto& [setting, value] : settings.items()) {
    if (!reads(rope.scaling, setting) && !plays_no_part(setting, value)) {
      refuse_setting(place, setting, value);
    }
  }
  rope.theta = number_or(settings, "rope_theta", theta, place.where);
  if (rope.scaling != RopeScaling::kNone) read_scaling(rope, settings, positions, place);
  rope.validate(place.where);
  return rope;
}

bool is_nested(const Json& settings) {
  return std::any_of(settings.begin(), settings.end(),
                     [](const Json& value) { return value.is_object(); });
}

class RopeReader {
 public:
  RopeReader(const Json& config, const RopeDefaults& defaults, const std::string& where)
      : config_(config), defaults_(defaults), where_(where) {
    outer_.full.theta = number_or(config, "rope_theta", defaults.theta, where);
    if (!defaults.sliding_theta) return;
    outer_.sliding.emplace();
    outer_.sliding->theta =
        number_or(config, "rope_local_base_freq", *defaults.sliding_theta, where);
  }

  ModelRopes read() const {
    const auto scaling = under("rope_scaling"), parameters = under("rope_parameters");
    if (scaling && parameters && !(scaling->full == parameters->full)) {
      if (scaling->full.theta != parameters->full.theta) {
        fail(where_,
             fmt::format("'rope_scaling' says a rope_theta of {}, 'rope_parameters' one of {}",
                         scaling->full.theta, parameters->full.theta),
             "remove the one that is wrong");
      }
      fail(where_, "'rope_scaling' and 'rope_parameters' differ", "remove the one that is wrong");
    }
    return scaling ? *scaling : parameters.value_or(outer_);
  }

 private:
  // What the object under `key` says, if it is there and says anything.
  std::optional<ModelRopes> under(const char* key) const {
    const Json* settings = find_key(config_, key);
    if (!settings || settings->empty()) return std::nullopt;
    if (!settings->is_object()) refuse_value(key, *settings, where_, kKnown);
    if (is_nested(*settings)) return by_kind(*settings, key);
    const SettingsPlace place{key, "", where_};
    ModelRopes ropes = outer_;
    ropes.full = rope_of(*settings, outer_.full.theta, defaults_.positions, place);
    // Where it stands beside the settings, transformers 5 prefers it to theirs.
    if (ropes.full.original_positions > 0) {
      ropes.full.original_positions = size_or(config_, "original_max_position_embeddings",
                                              ropes.full.original_positions, where_);
    }
    return ropes;
  }

  // {"full_attention": {...}, "sliding_attention": {...}}, perhaps with plain settings beside the
  // kinds, as transformers 5 saves it.
  ModelRopes by_kind(const Json& settings, const char* key) const {
    ModelRopes ropes = outer_;
    std::optional<double> common;
    std::string first = "all";
    Json plain = Json::object();
    for (const auto& [name, value] : settings.items()) {
      if (!value.is_object()) plain[name] = value;
    }
    if (find_key(plain, "rope_theta")) common = number_or(plain, "rope_theta", 0, where_);
    rope_of(plain, outer_.full.theta, defaults_.positions, {key, "", where_});
    for (const auto& [kind, inner] : settings.items()) {
      if (!inner.is_object()) continue;
      const bool slides = kind == kSliding && defaults_.sliding_theta;
      const double theta = slides ? outer_.sliding->theta : outer_.full.theta;
      const Rope rope = rope_of(inner, theta, defaults_.positions, {key, kind + ".", where_});
      if (defaults_.sliding_theta) {
        (slides ? *ropes.sliding : ropes.full) = rope;
        continue;
      }
      require_one_base(key, common, first, rope.theta, kind);
      ropes.full = rope;
    }
    return ropes;
  }

  void require_one_base(const char* key, std::optional<double>& common, std::string& first,
                        double theta, const std::string& kind) const {
    if (common && *common != theta) {
      fail(where_,
           fmt::format("'{}' has a base for each kind of layer: {} for {}, {} for {}", key, *common,
                       first, theta, kind),
           "of the families that Anemone runs only gemma3_text has one");
    }
    if (!common) first = kind;
    common = theta;
  }

  const Json& config_;
  const RopeDefaults& defaults_;
  const std::string& where_;
  ModelRopes outer_;
};

Json scaling_json(const Rope& rope) {
  const auto* found = std::find_if(std::begin(kScalings), std::end(kScalings),
                                   [&](const auto& known) { return known.second == rope.scaling; });
  Json json = {{"rope_type", found->first}, {"factor", rope.factor}};
  if (rope.scaling == RopeScaling::kYarn || rope.scaling == RopeScaling::kLlama3) {
    json["original_max_position_embeddings"] = rope.original_positions;
  }
  if (rope.scaling == RopeScaling::kLlama3) {
    json["low_freq_factor"] = rope.low_frequency_factor;
    json["high_freq_factor"] = rope.high_frequency_factor;
  } else if (rope.scaling == RopeScaling::kYarn) {
    json["beta_fast"] = rope.beta_fast;
    json["beta_slow"] = rope.beta_slow;
    json["attention_factor"] = rope.attention_factor;
    if (!rope.truncate) json["truncate"] = false;
  }
  return json;
}

}  // namespace

ModelRopes read_ropes(const Json& config, const RopeDefaults& defaults, const std::string& where) {
  if (number_or(config, "partial_rotary_factor", 1, where) != 1) {
    refuse_value("partial_rotary_factor", config["partial_rotary_factor"], where,
                 "Anemone turns whole heads");
  }
  return RopeReader(config, defaults, where).read();
}

void write_ropes(Json& config, const ModelRopes& ropes) {
  config["rope_theta"] = ropes.full.theta;
  if (ropes.full.scaling != RopeScaling::kNone) config["rope_scaling"] = scaling_json(ropes.full);
  if (ropes.sliding) config["rope_local_base_freq"] = ropes.sliding->theta;
}

}  // namespace anemone
