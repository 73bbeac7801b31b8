// Runs the tasks of a step one after the other and records when they ran. For a simulated device it
// also works out when they would have run: each queue in its own order, and a task when what it
// reads has been written and what it writes is no longer read.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "anemone/base/clock.h"
#include "anemone/devices/device.h"
#include "anemone/runtime/timeline.h"

namespace anemone {

struct Task {
  size_t event = 0;  // its name on the timeline
  Queue queue = Queue::kHost;
  Executable* program = nullptr;  // for tasks of the device queue
  HostWork work;                  // for the others
  double flops = 0, bytes = 0;    // for the timeline
  std::vector<const Buffer*> reads, writes;
  std::function<void()> run;
};

class TaskRunner {
 public:
  // Both may be null: nothing is recorded; or time is the wall clock's.
  TaskRunner(Timeline* timeline, Simulation* simulation);

  // A number for a name; 0 without a timeline.
  size_t name_id(const std::string& name, const std::string& category = "");

  void run(const Task& task);
  // A task of the host that needs nothing but the queue.
  template <typename Action>
  void run_host(size_t event, const HostWork& work, Action&& action) {
    run_host_function(event, work, std::ref(action));  // a reference needs no memory
  }
  // Something of the host that has just taken `ms`, on a simulated clock with all queues waiting.
  void record_fixed(size_t event, double ms);
  // Everything started has ended. The host's waiting for the background is an event of its own.
  void join();

  // Milliseconds since the start, on whichever clock it is.
  double now_ms() const;
  bool values() const { return !simulation_ || simulation_->values(); }
  Simulation* simulation() const { return simulation_; }

 private:
  void run_host_function(size_t event, const HostWork& work, std::function<void()> action);

  struct Access {
    double written = 0, read = 0;
  };

  double duration_ms(const Task& task, double start);
  double earliest_start(const Task& task) const;
  void record(const Event& event);

  Timeline* timeline_;
  Simulation* simulation_;
  Stopwatch watch_;
  double free_[kQueues] = {};  // when each queue has done all it was given, simulated
  std::unordered_map<const Buffer*, Access> accesses_;
  size_t wait_event_ = 0;
};

}  // namespace anemone
