#include "anemone/devices/ane_spec/chip.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"
#include "anemone/base/strict_json.h"

namespace anemone {

extern const std::string_view kChipsJson;  // chips.json, built in by anemone_embed

namespace {

using Json = nlohmann::json;

constexpr const char* kHint = "docs/calibration.md describes the table of chips";

// The name of a figure in the table. Most divide or are divided by: zero would be nonsense.
template <typename Figures>
struct Field {
  const char* name;
  Figure Figures::*member;
  bool may_be_zero = false;
};

constexpr Field<EngineFigures> kEngineFields[] = {
    {"peak_tflops", &EngineFigures::peak_tflops},
    {"dispatch_us", &EngineFigures::dispatch_us},
    {"floor_us", &EngineFigures::floor_us},
    {"noise_us", &EngineFigures::noise_us},
    {"layer_us", &EngineFigures::layer_us, true},
    {"resident_mb", &EngineFigures::resident_mb},
    {"chain_gbs", &EngineFigures::chain_gbs},
    {"stream_gbs", &EngineFigures::stream_gbs},
    {"stream_start_us", &EngineFigures::stream_start_us, true},
    {"alias_factor", &EngineFigures::alias_factor},
    {"int8_weight_gain", &EngineFigures::int8_weight_gain},
    {"int8_arithmetic_gain", &EngineFigures::int8_arithmetic_gain},
    {"onchip_gbs", &EngineFigures::onchip_gbs},
    {"surface_gbs", &EngineFigures::surface_gbs},
    {"working_set_mb", &EngineFigures::working_set_mb},
    {"first_call_ms", &EngineFigures::first_call_ms, true},
    {"rewake_ms", &EngineFigures::rewake_ms, true},
    {"compile_ms", &EngineFigures::compile_ms},
    {"compile_ms_per_mb", &EngineFigures::compile_ms_per_mb, true},
    {"load_ms", &EngineFigures::load_ms},
    {"idle_watts", &EngineFigures::idle_watts, true},
    {"busy_watts", &EngineFigures::busy_watts},
    {"full_watts", &EngineFigures::full_watts},
};
constexpr Field<HostFigures> kHostFields[] = {
    {"gemm_gflops", &HostFigures::gemm_gflops},
    {"elementwise_gbs", &HostFigures::elementwise_gbs},
    {"exponentials_per_ns", &HostFigures::exponentials_per_ns},
    {"copy_gbs", &HostFigures::copy_gbs},
    {"task_us", &HostFigures::task_us, true},
};

// One JSON object, and where it is: "chips.json, m4-max, engine.peak_tflops".
struct Node {
  const Json& json;
  std::string where;

  [[noreturn]] void refuse(std::string message) const { fail(where, std::move(message), kHint); }

  void require_object() const {
    if (!json.is_object()) refuse(fmt::format("is {}, not an object", brief(json)));
  }
  void allow_keys(const std::vector<std::string_view>& known) const {
    require_object();
    for (const auto& [key, value] : json.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string meant = suggest(key, known);
      refuse(fmt::format("has the unknown key '{}'{}{}", key, meant.empty() ? "" : "; ", meant));
    }
  }
  Node at(const char* key, const char* separator = ", ") const {
    if (!json.contains(key)) refuse(fmt::format("lacks '{}'", key));
    return {json[key], fmt::format("{}{}{}", where, separator, key)};
  }
  std::string text(const char* key) const {
    const Node node = at(key);
    if (!node.json.is_string() || node.json.get<std::string>().empty()) {
      node.refuse(fmt::format("is {}, not a text", brief(node.json)));
    }
    return node.json.get<std::string>();
  }
};

Grade read_grade(const Node& node) {
  const std::string text = node.text("grade");
  std::vector<std::string_view> known;
  for (const Grade grade :
       {Grade::kMeasured, Grade::kCode, Grade::kReported, Grade::kFitted, Grade::kInferred}) {
    if (text == to_string(grade)) return grade;
    known.push_back(to_string(grade));
  }
  node.refuse(fmt::format("grade '{}' is none of {}", text, fmt::join(known, ", ")));
}

Figure read_figure(const Node& node, bool may_be_zero) {
  node.allow_keys({"value", "grade", "source"});
  const Node value = node.at("value");
  const bool is_number = value.json.is_number();
  Figure figure;
  figure.value = is_number ? value.json.get<double>() : -1;
  if (!is_number || !std::isfinite(figure.value) || figure.value < 0 ||
      (figure.value == 0 && !may_be_zero)) {
    node.refuse(fmt::format("value {} is not a {} number", brief(value.json),
                            may_be_zero ? "non-negative" : "positive"));
  }
  figure.grade = read_grade(node);
  figure.source = node.text("source");
  return figure;
}

// Reads the figures of `node`; those that it lacks are the parent's.
template <typename Figures, size_t N>
void read_figures(const Node& node, const Field<Figures> (&fields)[N], const Chip* parent,
                  const Figures* carried, Figures& figures) {
  std::vector<std::string_view> known;
  for (const auto& field : fields) known.push_back(field.name);
  node.allow_keys(known);
  for (const auto& field : fields) {
    Figure& figure = figures.*field.member;
    if (carried && !node.json.contains(field.name)) {
      figure = carried->*field.member;
      if (figure.grade != Grade::kInferred) {
        figure.grade = Grade::kInferred;
        figure.source = "carried over from " + parent->title;
      }
    } else {
      figure = read_figure(node.at(field.name, "."), field.may_be_zero);
    }
  }
}

AneFamily read_family(const Node& node) {
  const Node family = node.at("family");
  const bool is_integer = family.json.is_number_integer();
  const int64_t number = is_integer ? family.json.get<int64_t>() : 0;
  if (number < 13 || number > 18) {
    family.refuse(fmt::format("is {}, not a number from 13 to 18", brief(family.json)));
  }
  return static_cast<AneFamily>(number);
}

// `parent`: the chip it is carried from, if any.
Chip read_chip(const Node& node, const Chip* parent) {
  node.allow_keys({"name", "title", "family", "architecture", "carried_from", "engine", "host"});
  Chip chip;
  chip.name = node.text("name");
  chip.title = node.text("title");
  chip.family = read_family(node);
  chip.architecture = node.text("architecture");
  read_figures(node.at("engine"), kEngineFields, parent, parent ? &parent->engine : nullptr,
               chip.engine);
  read_figures(node.at("host"), kHostFields, parent, parent ? &parent->host : nullptr, chip.host);
  return chip;
}

// Chips in the order of the table; a chip is read after the one that it is carried from.
class Table {
 public:
  Table(const Json& list, const std::string& where) : chips_(list.size()), open_(list.size()) {
    for (size_t i = 0; i < list.size(); ++i) {
      const Node unnamed{list[i], fmt::format("{}, chips[{}]", where, i)};
      unnamed.require_object();
      const std::string name = unnamed.text("name");
      if (find(name)) unnamed.refuse(fmt::format("is a second chip called '{}'", name));
      names_.push_back(name);
      nodes_.push_back({list[i], fmt::format("{}, {}", where, name)});
    }
  }

  std::vector<Chip> read() {
    std::vector<Chip> all;
    for (size_t i = 0; i < nodes_.size(); ++i) all.push_back(chip(i));
    return all;
  }

 private:
  std::optional<size_t> find(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return std::nullopt;
    return static_cast<size_t>(found - names_.begin());
  }

  const Chip& chip(size_t index) {
    if (chips_[index]) return *chips_[index];
    const Node& node = nodes_[index];
    if (open_[index]) node.refuse("is carried from a chip that is carried from it");
    open_[index] = true;
    const Chip* parent = nullptr;
    if (node.json.contains("carried_from")) {
      const std::string name = node.text("carried_from");
      const auto found = find(name);
      if (!found) node.refuse(fmt::format("is carried from '{}', which is not in the table", name));
      parent = &chip(*found);
    }
    chips_[index] = read_chip(node, parent);
    return *chips_[index];
  }

  std::vector<std::string> names_;
  std::vector<Node> nodes_;
  std::vector<std::optional<Chip>> chips_;
  std::vector<bool> open_;  // being read, or read
};

}  // namespace

std::vector<Chip> parse_chips(std::string_view json, const std::string& where) {
  const Json document = parse_strict_json(json, where);
  const Node root{document, where};
  root.allow_keys({"about", "chips"});
  const Node list = root.at("chips");
  if (!list.json.is_array() || list.json.empty()) list.refuse("is not a list of chips");
  return Table(list.json, where).read();
}

std::span<const Chip> all_chips() {
  static const std::vector<Chip> chips = parse_chips(kChipsJson, "chips.json");
  return chips;
}

const Chip& find_chip(std::string_view name, std::span<const Chip> chips) {
  std::vector<std::string_view> known;
  for (const Chip& chip : chips) {
    if (chip.name == name) return chip;
    known.push_back(chip.name);
  }
  const std::string meant = suggest(name, known);
  fail(fmt::format("chip '{}'", name), "it is none that we know",
       fmt::format("{}{}known: {}", meant, meant.empty() ? "" : " ", fmt::join(known, ", ")));
}

}  // namespace anemone
