// A trace of a run as a plot: what happened when, on the device and beside it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "anemone/report/plot.h"

namespace anemone {

struct TraceEvent {
  size_t lane = 0;  // in lanes
  std::string category;
  double start_ms = 0, end_ms = 0;
};

struct Trace {
  std::string name;  // of the file
  std::string device;
  bool simulated = false;
  std::vector<std::string> lanes;
  std::vector<TraceEvent> events;  // by their start
};

// Chrome's trace format, as `anemone train --trace` writes it. Throws Error at the path for what is
// no trace, and for one without events.
Trace read_trace(const std::filesystem::path& path);
Trace parse_trace(const std::string& text, const std::string& where);

// The first two micro-steps; of a trace without any, its beginning.
Plot timeline_plot(const Trace& trace);

}  // namespace anemone
