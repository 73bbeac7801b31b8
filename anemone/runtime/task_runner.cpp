#include "anemone/runtime/task_runner.h"

#include <algorithm>

namespace anemone {

TaskRunner::TaskRunner(Timeline* timeline, Simulation* simulation)
    : timeline_(timeline), simulation_(simulation) {
  if (timeline_ && simulation_) timeline_->set_simulated(true);
  wait_event_ = name_id("wait for weight gradients", "cblas_wait");
}

size_t TaskRunner::name_id(const std::string& name, const std::string& category) {
  return timeline_ ? timeline_->name_id(name, category) : 0;
}

void TaskRunner::record(const Event& event) {
  if (timeline_) timeline_->add(event);
}

double TaskRunner::now_ms() const {
  return simulation_ ? *std::max_element(free_, free_ + kQueues) : watch_.elapsed_ms();
}

double TaskRunner::duration_ms(const Task& task, double start) {
  if (task.queue == Queue::kDevice) return simulation_->run_ms(*task.program, start);
  return simulation_->host_ms(task.work);
}

double TaskRunner::earliest_start(const Task& task) const {
  double start = free_[static_cast<int>(task.queue)];
  for (const Buffer* buffer : task.reads) {
    const auto found = accesses_.find(buffer);
    if (found != accesses_.end()) start = std::max(start, found->second.written);
  }
  for (const Buffer* buffer : task.writes) {
    const auto found = accesses_.find(buffer);
    if (found == accesses_.end()) continue;
    start = std::max({start, found->second.written, found->second.read});
  }
  return start;
}

void TaskRunner::run(const Task& task) {
  Event event{task.event, task.queue, 0, 0, task.flops, task.bytes};
  if (!simulation_) {
    event.start_ms = watch_.elapsed_ms();
    task.run();
    event.duration_ms = watch_.elapsed_ms() - event.start_ms;
    return record(event);
  }
  if (simulation_->values()) task.run();
  event.start_ms = earliest_start(task);
  event.duration_ms = duration_ms(task, event.start_ms);
  const double end = event.start_ms + event.duration_ms;
  free_[static_cast<int>(task.queue)] = end;
  for (const Buffer* buffer : task.reads) {
    double& read = accesses_[buffer].read;
    read = std::max(read, end);
  }
  for (const Buffer* buffer : task.writes) accesses_[buffer].written = end;
  record(event);
}

void TaskRunner::run_host_function(size_t event, const HostWork& work,
                                   std::function<void()> action) {
  Task task;
  task.event = event;
  task.work = work;
  task.bytes = work.elementwise_bytes + work.copied_bytes;
  task.run = std::move(action);
  run(task);
}

void TaskRunner::record_fixed(size_t event, double ms) {
  if (!simulation_) return record({event, Queue::kHost, watch_.elapsed_ms() - ms, ms});
  const double start = now_ms();
  std::fill(free_, free_ + kQueues, start + ms);
  record({event, Queue::kHost, start, ms});
}

void TaskRunner::join() {
  if (!simulation_) return;
  const double host = free_[static_cast<int>(Queue::kHost)], end = now_ms();
  if (end > host) record({wait_event_, Queue::kHost, host, end - host});
  std::fill(free_, free_ + kQueues, end);
}

}  // namespace anemone
