// A fixed pool of worker threads for loops that are split evenly.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace anemone {

// Threads this process may run on at the same time.
int hardware_threads();

class ThreadPool {
 public:
  // `threads` counts the calling thread: a pool of 1 starts nothing.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(begin, end, thread) on consecutive pieces of [0, count), about one a thread, each a
  // multiple of `grain` long except the last; or `shares` a thread, for long loops that somebody
  // else on the machine must not hold up. Whichever thread is awake takes the next piece: a
  // worker that is not scheduled yet holds nobody up. `thread` < threads() runs one at a time.
  // Returns when all are done; never allocates. What a piece throws is rethrown here. Must not
  // nest.
  template <typename Body>
  void parallel_for(size_t count, size_t grain, Body&& body, size_t shares = 1) {
    run(
        count, grain, shares,
        [](void* context, size_t begin, size_t end, int thread) {
          (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end, thread);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  struct State;
  using Task = void (*)(void* context, size_t begin, size_t end, int thread);

  void run(size_t count, size_t grain, size_t shares, Task task, void* context);
  void work(int thread);

  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace anemone
