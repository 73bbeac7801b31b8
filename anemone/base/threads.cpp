#include "anemone/base/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
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

// One loop at a time. A ticket holds the loop's number and its next piece; taking a piece is a
// compare-and-swap on it, which fails for a thread that still looks at an older loop. The loop's
// fields are atomic because such a thread may read them while the next loop is written.
struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};

  std::atomic<uint64_t> ticket{0};  // loop number << 32 | next piece
  std::atomic<size_t> unfinished{0};
  std::atomic<Task> task{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<size_t> count{0}, piece{0}, pieces{0};
  std::exception_ptr error;

  static uint64_t loop_of(uint64_t ticket) { return ticket >> 32; }
  static size_t piece_of(uint64_t ticket) { return ticket & 0xFFFFFFFFu; }
  bool has_pieces(uint64_t seen) const { return piece_of(seen) < pieces; }

  // Runs pieces of the current loop until there are none left.
  void take_pieces(int thread) {
    while (true) {
      uint64_t seen = ticket;
      if (!has_pieces(seen)) return;
      const Task run = task;
      void* const argument = context;
      const size_t length = piece, begin = piece_of(seen) * length;
      const size_t end = std::min<size_t>(count, begin + length);
      if (ticket.compare_exchange_weak(seen, seen + 1))
        run_piece(run, argument, begin, end, thread);
    }
  }

  void run_piece(Task run, void* argument, size_t begin, size_t end, int thread) {
    try {
      run(argument, begin, end, thread);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
    if (unfinished.fetch_sub(1) == 1) {
      std::lock_guard lock(mutex);
      done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads), state_(std::make_unique<State>()) {
  ANEMONE_CHECK(threads >= 1);
  for (int thread = 1; thread < threads; ++thread) {
    state_->workers.emplace_back([this, thread] { work(thread); });
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

void ThreadPool::work(int thread) {
  State& state = *state_;
  while (true) {
    const auto ready = [&] { return state.stop || state.has_pieces(state.ticket); };
    if (!spin_until(ready)) {
      std::unique_lock lock(state.mutex);
      ++state.sleepers;
      state.wake.wait(lock, ready);
      --state.sleepers;
    }
    if (state.stop) return;
    state.take_pieces(thread);
  }
}

void ThreadPool::run(size_t count, size_t grain, size_t shares, Task task, void* context) {
  if (count == 0) return;
  State& state = *state_;
  grain = std::max<size_t>(grain, 1);
  const size_t grains = (count + grain - 1) / grain;
  const size_t wanted = static_cast<size_t>(threads_) * std::max<size_t>(shares, 1);
  const size_t piece = (grains + wanted - 1) / wanted * grain;
  if (threads_ == 1 || piece >= count) {
    task(context, 0, count, 0);
    return;
  }
  // Nobody holds a piece of the loop before: its fields may be replaced.
  const size_t pieces = (count + piece - 1) / piece;
  state.pieces = 0;
  state.task = task;
  state.context = context;
  state.count = count;
  state.piece = piece;
  state.unfinished = pieces;
  state.ticket = (State::loop_of(state.ticket) + 1) << 32;
  state.pieces = pieces;
  if (state.sleepers > 0) {
    std::lock_guard lock(state.mutex);
    state.wake.notify_all();
  }
  state.take_pieces(0);
  const auto finished = [&] { return state.unfinished == 0; };
  if (!spin_until(finished)) {
    std::unique_lock lock(state.mutex);
    state.done.wait(lock, finished);
  }
  std::lock_guard lock(state.mutex);
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

}  // namespace anemone
