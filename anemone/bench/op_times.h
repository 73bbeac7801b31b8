// What each kind of operation of a CPU program takes: a recorder that fills a timeline.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "anemone/devices/cpu/op_recorder.h"
#include "anemone/runtime/timeline.h"

namespace anemone {

// Kinds: "gemm forward", "gemm dx", "gemm dw", "attention", "norms", "activations", "rope", "loss",
// "embedding", "elementwise".
std::string kind_of(const Operation& op);

class OpTimes final : public OpRecorder {
 public:
  // Keeps `capacity` events for a trace; totals go on beyond it.
  explicit OpTimes(size_t capacity) : timeline_(capacity) {}

  size_t add(const std::string& program, const Operation& op) override;
  void begin(size_t /*id*/) override { start_ms_ = timeline_.now_ms(); }
  void end(size_t id) override { add_event(id, start_ms_, timeline_.now_ms()); }
  // As if one had run after the other.
  void end(size_t id, size_t other, double other_ms) override {
    const double end = timeline_.now_ms();
    add_event(id, start_ms_, end - other_ms);
    add_event(other, end - other_ms, end);
  }

  Timeline& timeline() { return timeline_; }
  // Milliseconds of every kind.
  std::map<std::string, double> kinds() const;
  // Of one of `runs` that took `total_ms` together, and what is left "between operations". Means,
  // because medians of parts do not add up to one of the whole.
  nlohmann::ordered_json components(double total_ms, double runs) const;

 private:
  void add_event(size_t id, double start_ms, double end_ms) {
    timeline_.add({.name = id, .start_ms = start_ms, .duration_ms = end_ms - start_ms});
  }

  Timeline timeline_;
  double start_ms_ = 0;
};

}  // namespace anemone
