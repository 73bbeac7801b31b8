#include "anemone/kernels/machine_peak.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "anemone/base/clock.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"

namespace anemone {

double peak_gflops(ThreadPool& pool, bool bf16, double ms) {
  double (*spin)(int64_t) = bf16 ? detail::native_bf16_spin() : &detail::fp32_spin;
  if (!spin) return 0;
  constexpr int64_t kTurns = 20000;  // some tens of microseconds
  std::atomic<int64_t> flops{0};
  const Stopwatch watch;
  // One piece a thread: what they do between looks at the clock needs nothing of each other.
  pool.parallel_for(static_cast<size_t>(pool.threads()), 1, [&](size_t begin, size_t end, int) {
    for (size_t piece = begin; piece < end; ++piece) {
      const Stopwatch own;
      double done = 0;
      while (own.elapsed_ms() < ms) done += spin(kTurns);
      flops += static_cast<int64_t>(done);
    }
  });
  return static_cast<double>(flops) / watch.elapsed_ms() * 1e-6;
}

double read_gbs(ThreadPool& pool, const float* data, size_t floats) {
  std::atomic<float> sink{0};
  const Stopwatch watch;
  pool.parallel_for(floats, 4096, [&](size_t begin, size_t end, int) {
    sink.store(simd::dot(data + begin, data + begin, end - begin), std::memory_order_relaxed);
  });
  return 4 * static_cast<double>(floats) / watch.elapsed_ms() * 1e-6;
}

double update_gbs(ThreadPool& pool, float* data, size_t floats) {
  const Stopwatch watch;
  pool.parallel_for(floats, 4096, [&](size_t begin, size_t end, int) {
    simd::mul_scalar(data + begin, 1.0f, data + begin, end - begin);
  });
  return 8 * static_cast<double>(floats) / watch.elapsed_ms() * 1e-6;
}

}  // namespace anemone
