// Vector loops at cache and memory sizes, and matrix products at the shapes of Stories110M
// (D 768, F 2048, V 32000, sequences of 256). The bench of a kernel checks nothing: gemm_test and
// the simd tests do.
#include <benchmark/benchmark.h>

#include <vector>

#include "anemone/kernels/blocked_gemm.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

std::vector<float> filled(size_t n) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
  return values;
}

void count(benchmark::State& state, double flops, double bytes) {
  const auto rate = [](double each) {
    return benchmark::Counter(each, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["flops"] = rate(flops);
  state.counters["bytes"] = rate(bytes);
}

template <void (*loop)(const float*, float*, size_t)>
void BM_Unary(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const auto x = filled(n);
  std::vector<float> out(n);
  for (auto _ : state) {
    loop(x.data(), out.data(), n);
    benchmark::ClobberMemory();
  }
  count(state, static_cast<double>(n), 8.0 * static_cast<double>(n));
}

void BM_Add(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const auto x = filled(n), y = filled(n);
  std::vector<float> out(n);
  for (auto _ : state) {
    simd::add(x.data(), y.data(), out.data(), n);
    benchmark::ClobberMemory();
  }
  count(state, static_cast<double>(n), 12.0 * static_cast<double>(n));
}

void BM_SumOfSquares(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const auto x = filled(n);
  for (auto _ : state) benchmark::DoNotOptimize(simd::sum_of_squares(x.data(), n));
  count(state, 2.0 * static_cast<double>(n), 4.0 * static_cast<double>(n));
}

// A loop with nothing to do: what it takes to begin one on two threads and to end it.
void BM_EmptyLoop(benchmark::State& state) {
  ThreadPool pool(2);
  for (auto _ : state) {
    pool.parallel_for(2, 1, [](size_t begin, size_t, int) { benchmark::DoNotOptimize(begin); });
  }
}

// Rows of growing length, as causal attention has them.
void BM_SoftmaxRows(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  auto rows = filled(n * n);
  for (auto _ : state) {
    for (size_t i = 0; i < n; ++i) simd::softmax_row(rows.data() + i * n, i + 1, n, 0.125f);
    benchmark::ClobberMemory();
  }
  count(state, 4.0 * static_cast<double>(n * (n + 1) / 2), 4.0 * static_cast<double>(n * n));
}

void BM_LogSumExp(benchmark::State& state) {
  const size_t vocab = 32000, columns = static_cast<size_t>(state.range(0));
  const auto x = filled(vocab * columns);
  std::vector<float> out(columns);
  for (auto _ : state) {
    simd::log_sum_exp(x.data(), vocab, columns, columns, out.data());
    benchmark::ClobberMemory();
  }
  count(state, 2.0 * static_cast<double>(x.size()), 4.0 * static_cast<double>(x.size()));
}

void BM_AdamW(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  auto p = filled(n), m = filled(n);
  const auto g = filled(n);
  std::vector<float> v(n, 0.1f);
  const simd::AdamW step{0.9f, 0.95f, 0.1f, 0.05f, 1e-3f, 1.0f, 1e-8f, 0.9999f, 1.0f};
  for (auto _ : state) {
    simd::adamw(p.data(), g.data(), m.data(), v.data(), n, step);
    benchmark::ClobberMemory();
  }
  count(state, 14.0 * static_cast<double>(n), 28.0 * static_cast<double>(n));
}

// What gemm() picks, the packaged product on the calling thread, and ours.
enum class Product { kPicked, kLibrary, kFp32, kBf16 };

void multiply(Product product, ThreadPool& pool, const Gemm& g) {
  if (product == Product::kPicked) return gemm(pool, g);
  if (product == Product::kLibrary) return gemm(g);
  blocked_gemm(pool, g, product == Product::kFp32 ? fp32_tiles() : bf16_tiles());
}

// m, n, k, what is transposed (0: neither, 1: a, 2: b), threads.
template <Product kProduct>
void BM_Gemm(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const bool ta = state.range(3) == 1, tb = state.range(3) == 2;
  ThreadPool pool(static_cast<int>(state.range(4)));
  const auto a = filled(static_cast<size_t>(m * k)), b = filled(static_cast<size_t>(k * n));
  std::vector<float> c(static_cast<size_t>(m * n));
  for (auto _ : state) {
    multiply(kProduct, pool,
             {.transpose_a = ta,
              .transpose_b = tb,
              .m = m,
              .n = n,
              .k = k,
              .a = a.data(),
              .a_stride = ta ? m : k,
              .b = b.data(),
              .b_stride = tb ? k : n,
              .c = c.data(),
              .c_stride = n});
    benchmark::ClobberMemory();
  }
  count(state, 2.0 * static_cast<double>(m * n * k),
        4.0 * static_cast<double>(m * n + n * k + m * k));
}

// A layer's product forward, and its gradients with respect to x and to the weight, of one sequence
// and of four.
void gemm_shapes(benchmark::internal::Benchmark* bench, int64_t threads) {
  bench->ArgNames({"m", "n", "k", "t", "threads"})->UseRealTime();
  for (int64_t tokens : {256, 1024}) {
    for (const auto& [out, in] : {std::pair{768, 768}, {2048, 768}, {768, 2048}, {32000, 768}}) {
      bench->Args({out, tokens, in, 0, threads});
      bench->Args({in, tokens, out, 1, threads});
      bench->Args({out, in, tokens, 2, threads});
    }
  }
}

void one_thread(benchmark::internal::Benchmark* bench) { gemm_shapes(bench, 1); }
void two_threads(benchmark::internal::Benchmark* bench) { gemm_shapes(bench, 2); }

// One token, and a few.
void vector_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"m", "n", "k", "t", "threads"})->UseRealTime();
  for (int64_t threads : {1, 2}) {
    for (int64_t tokens : {1, 4}) {
      bench->Args({768, tokens, 768, 0, threads});
      bench->Args({32000, tokens, 768, 0, threads});
    }
  }
}

constexpr int64_t kInCache = 1 << 12, kInMemory = 1 << 24;

BENCHMARK(BM_Unary<simd::exp>)->Arg(kInCache);
BENCHMARK(BM_Unary<simd::silu>)->Arg(kInCache)->Arg(kInMemory);
BENCHMARK(BM_Unary<simd::tanh>)->Arg(kInCache);
BENCHMARK(BM_Add)->Arg(kInCache)->Arg(kInMemory);
BENCHMARK(BM_SumOfSquares)->Arg(kInCache)->Arg(kInMemory);
BENCHMARK(BM_EmptyLoop)->UseRealTime();
BENCHMARK(BM_SoftmaxRows)->Arg(64)->Arg(256);
BENCHMARK(BM_LogSumExp)->Arg(256);
BENCHMARK(BM_AdamW)->Arg(kInCache)->Arg(kInMemory);
BENCHMARK(BM_Gemm<Product::kPicked>)->Apply(one_thread)->Apply(two_threads)->Apply(vector_shapes);
BENCHMARK(BM_Gemm<Product::kLibrary>)->Apply(one_thread);
BENCHMARK(BM_Gemm<Product::kFp32>)->Apply(one_thread)->Apply(two_threads);
BENCHMARK(BM_Gemm<Product::kBf16>)->Apply(one_thread)->Apply(two_threads);

}  // namespace
}  // namespace anemone
