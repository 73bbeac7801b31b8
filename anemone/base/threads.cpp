#include "anemone/base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// A step is hundreds of short loops: a worker that looks for the next one for about 50 us before it
// sleeps saves a wake-up (5-50 us) on most of them.
constexpr int kSpins = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// True as soon as `ready()`; false after kSpins looks.
template <typename Ready>
bool spin_until(const Ready& ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
    pause();
  }
  return false;
}

}  // namespace

int hardware_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::atomic<uint64_t> round{0};
  std::atomic<int> pending{0};
  std::atomic<bool> stop{false};

  // The loop of this round; written before `round` is raised, read after.
  Task task = nullptr;
  void* context = nullptr;
  size_t count = 0, piece = 0;
  std::exception_ptr error;

  void run_piece(int part) {
    const size_t begin = std::min(count, piece * static_cast<size_t>(part));
    const size_t end = std::min(count, begin + piece);
    if (begin == end) return;
    try {
      task(context, begin, end, part);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads), state_(std::make_unique<State>()) {
  ANEMONE_CHECK(threads >= 1);
  for (int part = 1; part < threads; ++part) {
    state_->workers.emplace_back([this, part] { work(part); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::work(int part) {
  State& state = *state_;
  uint64_t seen = 0;
  while (true) {
    const auto ready = [&] { return state.stop || state.round != seen; };
    if (!spin_until(ready)) {
      std::unique_lock lock(state.mutex);
      state.wake.wait(lock, ready);
    }
    if (state.stop) return;
    ++seen;
    state.run_piece(part);
    if (state.pending.fetch_sub(1) == 1) {
      std::lock_guard lock(state.mutex);
      state.done.notify_one();
    }
  }
}

void ThreadPool::run(size_t count, size_t grain, Task task, void* context) {
  if (count == 0) return;
  State& state = *state_;
  grain = std::max<size_t>(grain, 1);
  const size_t grains = (count + grain - 1) / grain;
  const size_t piece = (grains + threads_ - 1) / threads_ * grain;
  if (threads_ == 1 || piece >= count) {
    task(context, 0, count, 0);
    return;
  }
  {
    std::lock_guard lock(state.mutex);
    state.task = task;
    state.context = context;
    state.count = count;
    state.piece = piece;
    state.error = nullptr;
    state.pending = threads_ - 1;
    ++state.round;
  }
  state.wake.notify_all();
  state.run_piece(0);
  const auto finished = [&] { return state.pending == 0; };
  if (!spin_until(finished)) {
    std::unique_lock lock(state.mutex);
    state.done.wait(lock, finished);
  }
  std::lock_guard lock(state.mutex);
  if (state.error) std::rethrow_exception(state.error);
}

}  // namespace anemone
