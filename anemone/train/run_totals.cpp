#include "anemone/train/run_totals.h"

#include <nlohmann/json.hpp>

namespace anemone {
namespace {

template <typename Totals, typename Visit>
void for_each_total(Totals& t, Visit&& visit) {
  visit("device", t.device);
  visit("micro_steps", t.micro_steps);
  visit("updates", t.updates);
  visit("compiles", t.compiles);
  visit("restarts", t.restarts);
  visit("train_ms", t.train_ms);
  visit("compile_ms", t.compile_ms);
  visit("update_ms", t.update_ms);
  visit("wall_ms", t.wall_ms);
}

}  // namespace

nlohmann::json to_json(const RunTotals& totals) {
  nlohmann::json json;
  for_each_total(totals, [&](const char* key, const auto& value) { json[key] = value; });
  return json;
}

RunTotals run_totals_from_json(const nlohmann::json& json) {
  RunTotals totals;
  for_each_total(totals, [&](const char* key, auto& value) { json.at(key).get_to(value); });
  return totals;
}

}  // namespace anemone
