#include "anemone/report/result.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/report/published_schemas.h"

namespace anemone {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kSchema = "anemone-bench";

const json& field(const json& object, const char* name, json::value_t type,
                  const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end()) fail(where, fmt::format("this result has no '{}'", name));
  if (found->type() != type) {
    fail(where, fmt::format("'{}' of a result cannot be {}", name, brief(*found)));
  }
  return *found;
}

void check_version(const json& object, const std::string& where) {
  const auto version = object.find("version");
  if (version != object.end() && *version == kResultVersion) return;
  fail(where,
       fmt::format("a result of version {}, not {}",
                   version == object.end() ? "unknown" : brief(*version), kResultVersion),
       "measure again, or use the program that wrote it");
}

void check_row(const json& row, size_t index, const std::string& where) {
  if (!row.is_object()) fail(where, fmt::format("row {} is {}, no object", index, brief(row)));
  for (const char* name : {"ms", "p10", "p90", "n"}) {
    const auto value = row.find(name);
    if (value == row.end() || (value->is_number() && *value > 0)) continue;
    fail(where,
         fmt::format("'{}' of row {} is {}, no positive number", name, index, brief(*value)));
  }
}

BenchResult parse_own(const json& object, std::string_view text, const std::string& where) {
  check_version(object, where);
  BenchResult result;
  result.benchmark = field(object, "benchmark", json::value_t::string, where);
  result.device = field(object, "device", json::value_t::string, where);
  result.simulated = field(object, "simulated", json::value_t::boolean, where);
  const json& rows = field(object, "rows", json::value_t::array, where);
  for (size_t i = 0; i < rows.size(); ++i) check_row(rows[i], i, where);
  // Again, in the order in which the fields were written.
  const ordered_json ordered = ordered_json::parse(text);
  result.rows = ordered["rows"];
  for (const auto& [name, to] : {std::pair{"description", &result.description},
                                 {"dtype", &result.dtype},
                                 {"source", &result.source}}) {
    if (object.contains(name)) *to = field(object, name, json::value_t::string, where);
  }
  for (const auto& [name, to] :
       {std::pair{"machine", &result.machine}, {"settings", &result.settings}}) {
    if (!object.contains(name)) continue;
    field(object, name, json::value_t::object, where);
    *to = ordered[name];
  }
  return result;
}

}  // namespace

std::string BenchResult::label() const {
  if (published()) return device + " (published)";
  return simulated ? device + " (simulated)" : device;
}

ordered_json to_json(const BenchResult& result) {
  ordered_json object = {{"schema", kSchema},
                         {"version", kResultVersion},
                         {"benchmark", result.benchmark},
                         {"device", result.device},
                         {"description", result.description},
                         {"dtype", result.dtype},
                         {"simulated", result.simulated}};
  if (result.published()) object["source"] = result.source;
  object["machine"] = result.machine;
  object["settings"] = result.settings;
  object["rows"] = result.rows;
  return object;
}

std::vector<BenchResult> read_results(const std::filesystem::path& path) {
  return parse_results(read_file(path), path.string());
}

std::vector<BenchResult> parse_results(std::string_view text, const std::string& where) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    fail(where, "the file is empty",
         "a benchmark that was interrupted leaves no file; run it again");
  }
  const json object = parse_strict_json(text, where);
  if (!object.is_object()) fail(where, "a result is a JSON object, not " + brief(object));
  if (is_community_result(object)) return parse_community_result(object, where);
  if (is_published_table(object)) return parse_published_table(object, where);
  const auto schema = object.find("schema");
  if (schema == object.end() || *schema != kSchema) {
    fail(where, "this is no result of a benchmark",
         "results are written by anemone bench --json or bench all --out");
  }
  return {parse_own(object, text, where)};
}

double number(const ordered_json& row, const char* name, double otherwise) {
  const auto found = row.find(name);
  return found != row.end() && found->is_number() ? found->get<double>() : otherwise;
}

}  // namespace anemone
