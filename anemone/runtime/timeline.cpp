#include "anemone/runtime/timeline.h"

#include <algorithm>

namespace anemone {

Timeline::Timeline(size_t capacity) { events_.reserve(capacity); }

size_t Timeline::name_id(const std::string& name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return static_cast<size_t>(found - names_.begin());
  names_.push_back(name);
  totals_.push_back({name, 0, 0, 0, 0});
  return names_.size() - 1;
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

void Timeline::clear() {
  events_.clear();
  for (TimelineTotal& total : totals_) total = {total.name, 0, 0, 0, 0};
}

}  // namespace anemone
