// What happened when: every compile, dispatch and host task as an event. Breakdowns and traces are
// views of it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace anemone {

struct Event {
  size_t name = 0;  // in names()
  double start_ms = 0, duration_ms = 0;
  double flops = 0, bytes = 0;
};

// One line of a breakdown.
struct TimelineTotal {
  std::string name;
  int count = 0;
  double total_ms = 0, flops = 0, bytes = 0;
};

class Timeline {
 public:
  // Keeps at most `capacity` events; totals go on beyond it. Adding to it never allocates.
  explicit Timeline(size_t capacity = 1 << 14);

  // A number for a name, to be asked for before the hot loop.
  size_t name_id(const std::string& name);

  double now_ms() const;
  void add(const Event& event);

  const std::vector<Event>& events() const { return events_; }
  const std::vector<std::string>& names() const { return names_; }
  // Sorted by time spent, longest first; names without events are left out.
  std::vector<TimelineTotal> totals() const;
  void clear();

 private:
  std::chrono::steady_clock::time_point origin_ = std::chrono::steady_clock::now();
  std::vector<std::string> names_;
  std::vector<TimelineTotal> totals_;
  std::vector<Event> events_;
};

// An event from construction to destruction. A null timeline records nothing.
class ScopedEvent {
 public:
  ScopedEvent(Timeline* timeline, size_t name, double flops = 0, double bytes = 0)
      : timeline_(timeline), event_{name, timeline ? timeline->now_ms() : 0, 0, flops, bytes} {}
  ~ScopedEvent() {
    if (!timeline_) return;
    event_.duration_ms = timeline_->now_ms() - event_.start_ms;
    timeline_->add(event_);
  }
  ScopedEvent(const ScopedEvent&) = delete;
  ScopedEvent& operator=(const ScopedEvent&) = delete;

 private:
  Timeline* timeline_;
  Event event_;
};

}  // namespace anemone
