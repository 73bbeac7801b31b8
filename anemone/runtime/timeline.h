// What happened when: every compile, dispatch, copy and host task as an event. Breakdowns, reports
// and traces are views of it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace anemone {

// What can run at the same time.
enum class Queue : uint8_t {
  kHost,        // what the step waits for
  kDevice,      // its programs
  kBackground,  // host work beside the device: weight gradients
};
inline constexpr int kQueues = 3;
const char* to_string(Queue queue);  // "host", …

struct Event {
  size_t name = 0;  // in names()
  Queue queue = Queue::kHost;
  double start_ms = 0, duration_ms = 0;
  double flops = 0, bytes = 0;
};

// One line of a breakdown.
struct TimelineTotal {
  std::string name;
  std::string category;  // kind of work: "ane", "io", "elem", …
  int count = 0;
  double total_ms = 0, flops = 0, bytes = 0;
};

class Timeline {
 public:
  // Keeps at most `capacity` events; totals go on beyond it. Adding to it never allocates.
  explicit Timeline(size_t capacity = 1 << 14);

  // A number for a name, to be asked for before the hot loop. One name has one category.
  size_t name_id(const std::string& name, const std::string& category = "");

  double now_ms() const;
  void add(const Event& event);

  // Whether the times are those of a modelled machine.
  bool simulated() const { return simulated_; }
  void set_simulated(bool simulated) { simulated_ = simulated; }

  const std::vector<Event>& events() const { return events_; }
  // Without events, in the order of their numbers.
  const std::vector<TimelineTotal>& names() const { return totals_; }
  // Sorted by time spent, longest first; names without events are left out.
  std::vector<TimelineTotal> totals() const;
  // Events beyond the capacity.
  int64_t left_out() const;
  // Milliseconds of a category.
  double category_ms(const std::string& category) const;
  void clear();

 private:
  std::chrono::steady_clock::time_point origin_ = std::chrono::steady_clock::now();
  bool simulated_ = false;
  std::vector<TimelineTotal> totals_;
  std::vector<Event> events_;
};

// The events as Chrome's trace format, which Perfetto and chrome://tracing show: one row a queue.
std::string chrome_trace(const Timeline& timeline, const std::string& device);

// An event from construction to destruction. A null timeline records nothing.
class ScopedEvent {
 public:
  ScopedEvent(Timeline* timeline, size_t name, double flops = 0, double bytes = 0)
      : timeline_(timeline) {
    event_.name = name;
    event_.start_ms = timeline ? timeline->now_ms() : 0;
    event_.flops = flops;
    event_.bytes = bytes;
  }
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
