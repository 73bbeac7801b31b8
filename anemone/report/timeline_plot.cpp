#include "anemone/report/timeline_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/report/result_plots.h"

namespace anemone {
namespace {

using nlohmann::json;

// More boxes than this are no picture any more.
constexpr size_t kMostEvents = 4000;
// Reading the tokens begins a micro-step.
constexpr const char* kBeginsStep = "data";
constexpr size_t kSteps = 2;

double number_of(const json& event, const char* name, const std::string& where) {
  const auto found = event.find(name);
  if (found == event.end() || !found->is_number() || !(*found >= 0)) {
    fail(where, fmt::format("an event of the trace without a '{}' of 0 or more", name));
  }
  return found->get<double>();
}

std::string text_of(const json& object, const char* name, const std::string& otherwise) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::string lane_of(const json& event) {
  const auto tid = event.find("tid");
  return tid == event.end() ? "" : brief(*tid);
}

// Lanes in the order in which the trace names them, then those that it does not name.
class Lanes {
 public:
  explicit Lanes(Trace& trace) : trace_(trace) {}

  void name(const json& event) {
    const std::string tid = lane_of(event);
    const auto arguments = event.find("args");
    const bool known = arguments != event.end() && arguments->is_object();
    trace_.lanes[number(tid)] = known ? text_of(*arguments, "name", tid) : tid;
  }

  size_t number(const std::string& tid) {
    const auto [found, fresh] = numbers_.emplace(tid, trace_.lanes.size());
    if (fresh) trace_.lanes.push_back(tid);
    return found->second;
  }

 private:
  Trace& trace_;
  std::map<std::string, size_t> numbers_;
};

void add_event(Trace& trace, Lanes& lanes, const json& event, const std::string& where) {
  if (!event.is_object()) fail(where, "an event of the trace is no object");
  const std::string kind = text_of(event, "ph", "");
  if (kind == "M" && text_of(event, "name", "") == "thread_name") lanes.name(event);
  if (kind != "X") return;
  TraceEvent added;
  added.lane = lanes.number(lane_of(event));
  added.category = text_of(event, "cat", "");
  added.start_ms = number_of(event, "ts", where) * 1e-3;
  added.end_ms = added.start_ms + number_of(event, "dur", where) * 1e-3;
  trace.events.push_back(std::move(added));
}

struct Window {
  double from = 0, to = 0;
};

Window first_steps(const Trace& trace) {
  std::vector<double> begins;
  double last = 0;
  for (const TraceEvent& event : trace.events) {
    if (event.category == kBeginsStep) begins.push_back(event.start_ms);
    last = std::max(last, event.end_ms);
  }
  const double from = begins.empty() ? trace.events.front().start_ms : begins.front();
  return {from, begins.size() > kSteps ? begins[kSteps] : last};
}

}  // namespace

Trace parse_trace(const std::string& text, const std::string& where) {
  const json object = parse_strict_json(text, where);
  const auto events = object.is_object() ? object.find("traceEvents") : object.end();
  if (!object.is_object() || events == object.end() || !events->is_array()) {
    fail(where, "this is no trace: it has no list 'traceEvents'",
         "anemone train --trace FILE writes one");
  }
  Trace trace;
  Lanes lanes(trace);
  for (const json& event : *events) add_event(trace, lanes, event, where);
  if (trace.events.empty()) fail(where, "a trace without events");
  std::stable_sort(trace.events.begin(), trace.events.end(),
                   [](const auto& a, const auto& b) { return a.start_ms < b.start_ms; });
  const auto other = object.find("otherData");
  if (other == object.end() || !other->is_object()) return trace;
  trace.device = text_of(*other, "device", "");
  trace.simulated = other->contains("simulated") && (*other)["simulated"] == true;
  return trace;
}

Trace read_trace(const std::filesystem::path& path) {
  Trace trace = parse_trace(read_file(path), path.string());
  trace.name = path.filename().string();
  return trace;
}

Plot timeline_plot(const Trace& trace) {
  const Window window = first_steps(trace);
  const std::string device = trace.device.empty() ? "an unnamed device" : trace.device;
  Plot plot;
  plot.title = trace.name + ": the first micro-steps on " + device;
  plot.x_label = trace.simulated ? "simulated time, ms" : "time, ms";
  plot.note = "From reading the first batch to reading the third.";
  plot.shows.emplace_back(device, trace.simulated ? Origin::kSimulated : Origin::kMeasured);
  plot.rows = trace.lanes;
  std::map<std::string, PlotBoxes> categories;
  size_t count = 0;
  for (const TraceEvent& event : trace.events) {
    if (event.end_ms <= window.from || event.start_ms >= window.to) continue;
    if (++count > kMostEvents) break;
    PlotBoxes& boxes = categories[event.category];
    boxes.name = event.category.empty() ? "other" : event.category;
    boxes.style = component_style(event.category);
    boxes.boxes.push_back({std::max(event.start_ms, window.from) - window.from,
                           std::min(event.end_ms, window.to) - window.from,
                           static_cast<double>(event.lane)});
  }
  if (count > kMostEvents) {
    plot.note += fmt::format(" Only the first {} events are drawn.", kMostEvents);
  }
  for (auto& [name, boxes] : categories) plot.boxes.push_back(std::move(boxes));
  return plot;
}

}  // namespace anemone
