// Placements from JSON files, and whether a placement fits a model.
#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/nearest_name.h"
#include "anemone/base/strict_json.h"
#include "anemone/ops/registry.h"
#include "anemone/runtime/placement.h"

namespace anemone {
namespace {

using nlohmann::json;

// One JSON object whose keys must all be known.
class Fields {
 public:
  Fields(const json& object, std::string where, std::vector<std::string_view> known)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail(where_, "it is " + brief(object) + ", not an object");
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      fail(where_, "unknown key '" + key + "'", suggest(key, known));
    }
  }

  std::string text(const char* key, const std::string& fallback) const {
    if (!object_.contains(key)) return fallback;
    const json& value = object_[key];
    if (!value.is_string())
      fail(where_, fmt::format("'{}' is {}, not a string", key, brief(value)));
    return value;
  }

  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> result;
    if (!object_.contains(key)) return result;
    const json& list = object_[key];
    const bool strings =
        list.is_array() &&
        std::all_of(list.begin(), list.end(), [](const json& x) { return x.is_string(); });
    if (!strings) fail(where_, fmt::format("'{}' is {}, not a list of strings", key, brief(list)));
    return list;
  }

  // From 1 to `most`.
  int count(const char* key, int fallback, int most) const {
    if (!object_.contains(key)) return fallback;
    const json& value = object_[key];
    if (value.is_number_integer() && value >= 1 && value <= most) return value;
    fail(where_, fmt::format("'{}' is {}, not a number from 1 to {}", key, brief(value), most));
  }

  // One of two words.
  bool choice(const char* key, const char* yes, const char* no, const char* fallback) const {
    const std::string value = text(key, fallback);
    if (value == yes || value == no) return value == yes;
    fail(where_, fmt::format("'{}' is '{}', not {} or {}", key, value, no, yes));
  }

 private:
  const json& object_;
  std::string where_;
};

Part parse_part(const std::string& name, const std::string& where) {
  for (const Part part : {Part::kForward, Part::kBackward, Part::kWeightGradient}) {
    if (name == to_string(part)) return part;
  }
  fail(where, "unknown part '" + name + "'", "forward, backward and weight gradient are known");
}

Constants parse_constants(const std::string& text, const std::string& where) {
  if (text == "inputs") return Constants::kNone;
  if (text == "constants") return Constants::kAll;
  if (text == "frozen constants") return Constants::kFrozen;
  fail(where, "unknown weights '" + text + "'", "inputs, constants and frozen constants are known");
}

PlacementRow parse_row(const json& object, const std::string& where) {
  const Fields fields(object, where,
                      {"stages", "parts", "operations", "values", "place", "program"});
  PlacementRow row;
  row.stages = fields.texts("stages");
  for (const std::string& name : fields.texts("parts")) {
    row.parts.push_back(parse_part(name, where));
  }
  row.operations = fields.texts("operations");
  for (const std::string& type : row.operations) {
    if (!find_op(type)) fail(where, "there is no operation '" + type + "'");
  }
  row.values = fields.texts("values");
  row.on_device = fields.choice("place", "device", "host", "device");
  row.program = fields.text("program", "");
  return row;
}

}  // namespace

Placement parse_placement(std::string_view text, const std::string& where) {
  const json root = parse_strict_json(text, where);
  const Fields fields(root, where, {"name", "weights", "lanes", "rows"});
  Placement placement;
  placement.name = fields.text("name", where);
  placement.constants = parse_constants(fields.text("weights", "inputs"), where);
  placement.lanes = fields.count("lanes", 1, 8);
  if (!root.contains("rows") || !root["rows"].is_array()) fail(where, "it has no list 'rows'");
  for (size_t i = 0; i < root["rows"].size(); ++i) {
    placement.rows.push_back(parse_row(root["rows"][i], fmt::format("{}: row {}", where, i + 1)));
  }
  return placement;
}

void check_placement(const Placement& placement, const StageChain& chain,
                     const std::string& where) {
  std::vector<std::string> stages;
  for (const Stage& stage : chain.stages) stages.push_back(stage.function.name);
  for (size_t i = 0; i < placement.rows.size(); ++i) {
    for (const std::string& name : placement.rows[i].stages) {
      if (std::any_of(stages.begin(), stages.end(),
                      [&](const std::string& stage) { return is_stage(name, stage); })) {
        continue;
      }
      const std::string known = fmt::format("{}", fmt::join(stages, ", "));
      fail(fmt::format("{}: row {}", where, i + 1), "the model has no stage '" + name + "'",
           known + " are its stages");
    }
  }
}

}  // namespace anemone
