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

constexpr size_t kLine = 64;  // bytes of a cache line

}  // namespace

// One loop at a time. The ticket holds its number and how many of its pieces nobody has taken yet;
// taking one is a compare-and-swap on it, which fails for a thread that still looks at an older
// loop. The loop's fields are atomic because such a thread may read them while the next loop is
// written. What a waiting thread looks at has a cache line of its own: another thread's store to
// such a line takes hundreds of cycles.
struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::exception_ptr error;

  alignas(kLine) std::atomic<uint64_t> ticket{0};  // loop number << 32 | pieces left
  alignas(kLine) std::atomic<size_t> unfinished{0};
  // Written seldom.
  alignas(kLine) std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false}, caller_sleeps{false}, failed{false};
  // The loop.
  alignas(kLine) std::atomic<Task> task{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<size_t> count{0}, piece{0}, pieces{0};

  static uint64_t left_of(uint64_t ticket) { return ticket & 0xFFFFFFFFu; }

  void announce(size_t count_of_pieces) {
    unfinished.store(count_of_pieces, std::memory_order_relaxed);
    pieces.store(count_of_pieces, std::memory_order_relaxed);
    ticket = ((ticket >> 32) + 1) << 32 | count_of_pieces;
    if (sleepers == 0) return;
    std::lock_guard lock(mutex);
    wake.notify_all();
  }

  // Runs pieces of the current loop until there are none left.
  void take_pieces(int thread) {
    uint64_t seen = ticket;
    while (left_of(seen) > 0) {
      constexpr auto kRelaxed = std::memory_order_relaxed;
      const Task run = task.load(kRelaxed);
      void* const argument = context.load(kRelaxed);
      const size_t length = piece.load(kRelaxed);
      const size_t begin = (pieces.load(kRelaxed) - left_of(seen)) * length;
      const size_t end = std::min<size_t>(count.load(kRelaxed), begin + length);
      if (!ticket.compare_exchange_weak(seen, seen - 1)) continue;
      run_piece(run, argument, begin, end, thread);
      seen = ticket;
    }
  }

  void run_piece(Task run, void* argument, size_t begin, size_t end, int thread) {
    try {
      run(argument, begin, end, thread);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed = true;
    }
    if (unfinished.fetch_sub(1) > 1 || !caller_sleeps) return;
    std::lock_guard lock(mutex);
    done.notify_one();
  }

  void wait_until_finished() {
    const auto finished = [this] { return unfinished == 0; };
    if (spin_until(finished)) return;
    std::unique_lock lock(mutex);
    caller_sleeps = true;
    done.wait(lock, finished);
    caller_sleeps = false;
  }

  void rethrow() {
    std::lock_guard lock(mutex);
    failed = false;
    std::rethrow_exception(std::exchange(error, nullptr));
  }
};

int hardware_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

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
    const auto ready = [&] { return State::left_of(state.ticket) > 0 || state.stop; };
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
  state.task.store(task, std::memory_order_relaxed);
  state.context.store(context, std::memory_order_relaxed);
  state.count.store(count, std::memory_order_relaxed);
  state.piece.store(piece, std::memory_order_relaxed);
  state.announce((count + piece - 1) / piece);
  state.take_pieces(0);
  state.wait_until_finished();
  if (state.failed) state.rethrow();
}

}  // namespace anemone
