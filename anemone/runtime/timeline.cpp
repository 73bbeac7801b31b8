#include "anemone/runtime/timeline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace anemone {

const char* to_string(Queue queue) {
  switch (queue) {
    case Queue::kHost:
      return "host";
    case Queue::kDevice:
      return "device";
    case Queue::kBackground:
      return "host, background";
  }
  return "";
}

Timeline::Timeline(size_t capacity) { events_.reserve(capacity); }

size_t Timeline::name_id(const std::string& name, const std::string& category) {
  const auto found = std::find_if(totals_.begin(), totals_.end(), [&](const TimelineTotal& total) {
    return total.name == name && total.category == category;
  });
  if (found != totals_.end()) return static_cast<size_t>(found - totals_.begin());
  totals_.push_back({name, category});
  return totals_.size() - 1;
}

double Timeline::now_ms() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - origin_)
      .count();
}

void Timeline::add(const Event& event) {
  if (events_.size() < events_.capacity()) events_.push_back(event);
  TimelineTotal& total = totals_[event.name];
  ++total.count;
  total.total_ms += event.duration_ms;
  total.flops += event.flops;
  total.bytes += event.bytes;
}

std::vector<TimelineTotal> Timeline::totals() const {
  std::vector<TimelineTotal> result;
  for (const TimelineTotal& total : totals_) {
    if (total.count > 0) result.push_back(total);
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return a.total_ms > b.total_ms; });
  return result;
}

int64_t Timeline::left_out() const {
  int64_t count = 0;
  for (const TimelineTotal& total : totals_) count += total.count;
  return count - static_cast<int64_t>(events_.size());
}

double Timeline::category_ms(const std::string& category) const {
  double sum = 0;
  for (const TimelineTotal& total : totals_) {
    if (total.category == category) sum += total.total_ms;
  }
  return sum;
}

void Timeline::clear() {
  events_.clear();
  for (TimelineTotal& total : totals_) total = {total.name, total.category};
}

std::string chrome_trace(const Timeline& timeline, const std::string& device) {
  nlohmann::json events = nlohmann::json::array();
  const std::string process =
      device + (timeline.simulated() ? " (simulated time)" : " (wall clock)");
  events.push_back(
      {{"ph", "M"}, {"name", "process_name"}, {"pid", 1}, {"args", {{"name", process}}}});
  for (int q = 0; q < kQueues; ++q) {
    events.push_back({{"ph", "M"},
                      {"name", "thread_name"},
                      {"pid", 1},
                      {"tid", q},
                      {"args", {{"name", to_string(static_cast<Queue>(q))}}}});
  }
  for (const Event& event : timeline.events()) {
    const TimelineTotal& name = timeline.names()[event.name];
    nlohmann::json entry = {{"ph", "X"},
                            {"name", name.name},
                            {"cat", name.category.empty() ? "host" : name.category},
                            {"pid", 1},
                            {"tid", static_cast<int>(event.queue)},
                            {"ts", event.start_ms * 1e3},
                            {"dur", event.duration_ms * 1e3}};
    if (event.flops > 0) entry["args"]["GFLOP"] = event.flops / 1e9;
    if (event.bytes > 0) entry["args"]["MB"] = event.bytes / 1e6;
    events.push_back(std::move(entry));
  }
  return nlohmann::json({{"traceEvents", std::move(events)},
                         {"displayTimeUnit", "ms"},
                         {"otherData",
                          {{"device", device},
                           {"simulated", timeline.simulated()},
                           {"events_left_out", timeline.left_out()}}}})
      .dump();
}

}  // namespace anemone
