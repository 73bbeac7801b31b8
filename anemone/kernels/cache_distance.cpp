#include "anemone/kernels/cache_distance.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "anemone/base/clock.h"

namespace anemone {
namespace {

constexpr int kRounds = 33;

// A word that two threads count up in turns.
class Word {
 public:
  // False where the other thread does not come, or gave up.
  bool wait_for(int value) {
    constexpr double kPatienceMs = 0.2;  // longer than a sleeping thread takes to wake up
    const Stopwatch watch;
    while (word_.load() != value) {
      if (given_up_.load()) return false;
      if (watch.elapsed_ms() > kPatienceMs) given_up_ = true;
    }
    return true;
  }
  void set(int value) { word_ = value; }

 private:
  alignas(64) std::atomic<int> word_{0};
  alignas(64) std::atomic<bool> given_up_{false};
};

}  // namespace

double detail::hop_ns(ThreadPool& pool) {
  Word word;
  std::array<double, kRounds> hops{};
  std::atomic<bool> complete{false};
  const auto ask = [&] {
    for (int round = 0; round < kRounds; ++round) {
      const Stopwatch watch;
      word.set(2 * round + 1);
      if (!word.wait_for(2 * round + 2)) return;
      hops[static_cast<size_t>(round)] = watch.elapsed_ms() * 1e6 / 2;
    }
    complete = true;
  };
  const auto answer = [&] {
    for (int round = 0; round < kRounds; ++round) {
      if (!word.wait_for(2 * round + 1)) return;
      word.set(2 * round + 2);
    }
  };
  pool.parallel_for(2, 1, [&](size_t begin, size_t end, int) {
    for (size_t piece = begin; piece < end; ++piece) piece == 0 ? ask() : answer();
  });
  if (!complete) return 0;
  std::nth_element(hops.begin(), hops.begin() + kRounds / 2, hops.end());
  return hops[kRounds / 2];
}

bool threads_share_a_cache(ThreadPool& pool) {
  // Processors that share a third-level cache take some 45 ns (docs/performance.md).
  constexpr double kNearNs = 80, kAgainMs = 1000;
  static const Stopwatch clock;
  static std::atomic<double> look_at{0};
  static std::atomic<bool> near{false};
  if (pool.threads() != 2) return false;
  const double now = clock.elapsed_ms();
  double due = look_at.load();
  if (now >= due && look_at.compare_exchange_strong(due, now + kAgainMs)) {
    const double hop = detail::hop_ns(pool);
    near = hop > 0 && hop < kNearNs;
  }
  return near;
}

}  // namespace anemone
