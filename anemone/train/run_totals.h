// What a run has spent so far, restarts included.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace anemone {

struct RunTotals {
  std::string device;  // whose clock the times are of; another device starts anew
  int64_t micro_steps = 0, updates = 0, compiles = 0, restarts = 0;
  double train_ms = 0;    // micro-steps
  double compile_ms = 0;  // and loading
  double update_ms = 0;   // norm, AdamW, weights to the device
  double wall_ms = 0;     // everything
};

nlohmann::json to_json(const RunTotals& totals);
// Throws nlohmann::json::exception for what is missing or of the wrong kind.
RunTotals run_totals_from_json(const nlohmann::json& json);

}  // namespace anemone
