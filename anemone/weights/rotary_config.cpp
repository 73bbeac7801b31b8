#include "anemone/weights/rotary_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "anemone/base/error.h"
#include "anemone/base/strict_json.h"
#include "anemone/weights/config_json.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

constexpr double kDefaultBase = 10000;
constexpr const char* kOnlyPlain =
    "Anemone turns positions by one base and without scaling (rope_type default)";

// An object of settings: the key of config.json, and where inside it the object is.
struct Place {
  std::string key, inside;  // "rope_parameters", "full_attention."
  const std::string& where;
};

[[noreturn]] void refuse_setting(const Place& place, const std::string& setting,
                                 const Json& value) {
  fail(place.where,
       fmt::format("'{}' has {}{} {}: Anemone cannot run such a model", place.key, place.inside,
                   setting, brief(value)),
       kOnlyPlain);
}

// Whether a setting beside the type changes nothing where positions are not scaled.
bool plays_no_part(const std::string& setting, const Json& value) {
  if (value.is_null() || setting == "original_max_position_embeddings") return true;
  return (setting == "factor" || setting == "partial_rotary_factor") && value.is_number() &&
         value == 1.0;
}

// The base of one object of settings, which may only say "default".
std::optional<double> base_of(const Json& settings, const Place& place) {
  for (const char* type_key : {"rope_type", "type"}) {
    const Json* type = find_key(settings, type_key);
    if (type && *type != "default") refuse_setting(place, type_key, *type);
  }
  for (const auto& [setting, value] : settings.items()) {
    const bool read = setting == "rope_theta" || setting == "rope_type" || setting == "type";
    if (!read && !plays_no_part(setting, value)) refuse_setting(place, setting, value);
  }
  if (!find_key(settings, "rope_theta")) return std::nullopt;
  return number_or(settings, "rope_theta", 0, place.where);
}

// An object by kind of layer, {"full_attention": {...}, "sliding_attention": {...}}, perhaps with
// plain settings beside the kinds, as transformers 5 saves it: all of them say one base.
std::optional<double> common_base(const Json& settings, double outer, const Place& place) {
  Json plain = Json::object();
  for (const auto& [key, value] : settings.items()) {
    if (!value.is_object()) plain[key] = value;
  }
  std::optional<double> common = base_of(plain, place);
  std::string first = "all";
  for (const auto& [kind, inner] : settings.items()) {
    if (!inner.is_object()) continue;
    const double base = base_of(inner, {place.key, kind + ".", place.where}).value_or(outer);
    if (common && *common != base) {
      fail(place.where,
           fmt::format("'{}' has a base for each kind of layer: {} for {}, {} for {}", place.key,
                       *common, first, base, kind),
           kOnlyPlain);
    }
    if (!common) first = kind;
    common = base;
  }
  return common;
}

bool is_nested(const Json& settings) {
  return std::any_of(settings.begin(), settings.end(),
                     [](const Json& value) { return value.is_object(); });
}

// The base that the object under `key` says, if it is there and says one.
std::optional<double> base_under(const Json& config, const char* key, double outer,
                                 const std::string& where) {
  const Json* settings = find_key(config, key);
  if (!settings) return std::nullopt;
  if (!settings->is_object()) refuse_value(key, *settings, where, kOnlyPlain);
  const Place place{key, "", where};
  return is_nested(*settings) ? common_base(*settings, outer, place) : base_of(*settings, place);
}

}  // namespace

double rotary_base(const Json& config, const std::string& where) {
  const double outer = number_or(config, "rope_theta", kDefaultBase, where);
  if (number_or(config, "partial_rotary_factor", 1, where) != 1) {
    refuse_value("partial_rotary_factor", config["partial_rotary_factor"], where,
                 "Anemone turns whole heads");
  }
  const auto scaling = base_under(config, "rope_scaling", outer, where);
  const auto parameters = base_under(config, "rope_parameters", outer, where);
  if (scaling && parameters && *scaling != *parameters) {
    fail(where,
         fmt::format("'rope_scaling' says a rope_theta of {}, 'rope_parameters' one of {}",
                     *scaling, *parameters),
         "remove the one that is wrong");
  }
  if (scaling) return *scaling;
  return parameters.value_or(outer);
}

}  // namespace anemone
