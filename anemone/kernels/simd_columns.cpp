// Sums down the columns of a matrix. Rows lie far apart, so that a run of several vectors of each
// is taken at a time: memory is read in runs, and rows that are a power of two apart do not push
// each other out of the caches.
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_columns.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

constexpr size_t kRun = 8;    // vectors
constexpr size_t kPanel = 2;  // vectors of a row that is no longer
constexpr size_t kHead = 4;   // of an attention head's row

template <size_t kCount>
struct Vectors {
  static constexpr size_t count = kCount;
};

// Calls f(Vectors<n>, tag, s) for n vectors of columns from s on: kMost of them, then single and
// shorter ones. What becomes of a column must not depend on which it is among.
template <size_t kMost, typename F>
HWY_INLINE void EachRun(size_t columns, const F& f) {
  const hn::ScalableTag<float> d;
  const size_t run = kMost * hn::Lanes(d);
  size_t s = 0;
  for (; s + run <= columns; s += run) f(Vectors<kMost>(), d, s);
  Each(columns - s, [&](auto tag, size_t i) HWY_ATTR { f(Vectors<1>(), tag, s + i); });
}

// finish(tag, s, sums) of the sums over rows of what term(tag, row, s, sum) adds to a sum, for
// every column. Even and odd rows apart: two short sums lose less than a long one.
template <size_t kMost = kRun, typename Term, typename Finish>
HWY_INLINE void SumDown(size_t rows, size_t columns, const Term& term, const Finish& finish) {
  EachRun<kMost>(columns, [&](auto vectors, auto d, size_t s) HWY_ATTR {
    constexpr size_t kCount = decltype(vectors)::count;
    const size_t lanes = hn::Lanes(d);
    hn::Vec<decltype(d)> even[kCount], odd[kCount];
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) even[v] = odd[v] = hn::Zero(d);
    for (size_t row = 0; row + 2 <= rows; row += 2) {
      ANEMONE_UNROLL
      for (size_t v = 0; v < kCount; ++v) even[v] = term(d, row, s + v * lanes, even[v]);
      ANEMONE_UNROLL
      for (size_t v = 0; v < kCount; ++v) odd[v] = term(d, row + 1, s + v * lanes, odd[v]);
    }
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) {
      if (rows % 2 != 0) even[v] = term(d, rows - 1, s + v * lanes, even[v]);
      finish(d, s + v * lanes, hn::Add(even[v], odd[v]));
    }
  });
}

void InverseRms(const float* x, size_t rows, size_t columns, size_t stride, float epsilon,
                float* out) {
  SumDown(
      rows, columns,
      [&](auto d, size_t row, size_t s, auto sum) HWY_ATTR {
        const auto a = hn::LoadU(d, x + row * stride + s);
        return hn::MulAdd(a, a, sum);
      },
      [&](auto d, size_t s, auto sum) HWY_ATTR {
        const auto mean = hn::Mul(sum, hn::Set(d, 1.0f / static_cast<float>(rows)));
        const auto root = hn::Sqrt(hn::Add(mean, hn::Set(d, epsilon)));
        hn::StoreU(hn::Div(hn::Set(d, 1.0f), root), d, out + s);
      });
}

void WeightedRows(const float* matrix, size_t rows, size_t columns, size_t stride,
                  const float* weights, float* out) {
  SumDown<kHead>(
      rows, columns,
      [&](auto d, size_t row, size_t s, auto sum) HWY_ATTR {
        return hn::MulAdd(hn::Set(d, weights[row]), hn::LoadU(d, matrix + row * stride + s), sum);
      },
      [&](auto d, size_t s, auto sum) HWY_ATTR { hn::StoreU(sum, d, out + s); });
}

void WeightedDot(const float* a, const float* b, const float* weight, size_t rows, size_t columns,
                 size_t stride, float* out) {
  SumDown(
      rows, columns,
      [&](auto d, size_t row, size_t s, auto sum) HWY_ATTR {
        const size_t at = row * stride + s;
        const auto product = hn::Mul(hn::LoadU(d, a + at), hn::LoadU(d, b + at));
        return hn::MulAdd(product, hn::Set(d, weight[row]), sum);
      },
      [&](auto d, size_t s, auto sum) HWY_ATTR { hn::StoreU(sum, d, out + s); });
}

// Sums of exp(x - maximum) so far, and the maximum.
template <size_t kCount, class D>
struct Exponentials {
  using V = hn::Vec<D>;
  V maximum[kCount], sum[kCount];

  HWY_INLINE explicit Exponentials(D d) {
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) {
      maximum[v] = hn::Set(d, -3.0e38f);
      sum[v] = hn::Zero(d);
    }
  }

  // The maximum over some more rows first, to which the sum is rescaled, then their exponentials.
  HWY_INLINE void Add(D d, const float* x, size_t rows, size_t stride) {
    const size_t lanes = hn::Lanes(d);
    V raised[kCount];
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) raised[v] = maximum[v];
    for (size_t c = 0; c < rows; ++c) {
      ANEMONE_UNROLL
      for (size_t v = 0; v < kCount; ++v) {
        raised[v] = hn::Max(raised[v], hn::LoadU(d, x + c * stride + v * lanes));
      }
    }
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) {
      sum[v] = hn::Mul(sum[v], ExpOf(d, hn::Sub(maximum[v], raised[v])));
      maximum[v] = raised[v];
    }
    for (size_t c = 0; c < rows; ++c) {
      ANEMONE_UNROLL
      for (size_t v = 0; v < kCount; ++v) {
        const V value = hn::LoadU(d, x + c * stride + v * lanes);
        sum[v] = hn::Add(sum[v], ExpOf(d, hn::Sub(value, maximum[v])));
      }
    }
  }
};

void LogSumExp(const float* x, size_t rows, size_t columns, size_t stride, float* out) {
  constexpr size_t kBlock = 16;  // rows that are still in the cache when they are read again
  EachRun<kRun>(columns, [&](auto vectors, auto d, size_t s) HWY_ATTR {
    constexpr size_t kCount = decltype(vectors)::count;
    Exponentials<kCount, decltype(d)> sums(d);
    for (size_t c = 0; c < rows; c += kBlock) {
      sums.Add(d, x + c * stride + s, HWY_MIN(kBlock, rows - c), stride);
    }
    ANEMONE_UNROLL
    for (size_t v = 0; v < kCount; ++v) {
      hn::StoreU(hn::Add(sums.maximum[v], LogOf(d, sums.sum[v])), d, out + s + v * hn::Lanes(d));
    }
  });
}

// Of each column.
template <class DV, class VV = hn::Vec<DV>>
HWY_INLINE VV LargestDown(DV d, const float* x, size_t rows, size_t stride) {
  VV even = hn::LoadU(d, x), odd = even;
  size_t row = 1;
  for (; row + 2 <= rows; row += 2) {
    even = hn::Max(even, hn::LoadU(d, x + row * stride));
    odd = hn::Max(odd, hn::LoadU(d, x + (row + 1) * stride));
  }
  if (row < rows) even = hn::Max(even, hn::LoadU(d, x + row * stride));
  return hn::Max(even, odd);
}

void SoftmaxDown(float* x, size_t rows, size_t columns, float scale) {
  if (rows == 0) return;
  EachRun<1>(columns, [&](auto, auto d, size_t s) HWY_ATTR {
    const auto factor = hn::Set(d, scale);
    const auto shift = hn::Mul(LargestDown(d, x + s, rows, columns), factor);
    auto sum = hn::Zero(d);
    for (size_t row = 0; row < rows; ++row) {
      float* at = x + row * columns + s;
      const auto p = ExpOf(d, hn::MulSub(hn::LoadU(d, at), factor, shift));
      sum = hn::Add(sum, p);
      hn::StoreU(p, d, at);
    }
    const auto inverse = hn::Div(hn::Set(d, 1.0f), sum);
    for (size_t row = 0; row < rows; ++row) {
      float* at = x + row * columns + s;
      hn::StoreU(hn::Mul(hn::LoadU(d, at), inverse), d, at);
    }
  });
}

void SoftmaxBackwardDown(const float* p, float* dp, size_t rows, size_t columns, float scale) {
  SumDown<kPanel>(
      rows, columns,
      [&](auto d, size_t row, size_t s, auto sum) HWY_ATTR {
        const size_t at = row * columns + s;
        return hn::MulAdd(hn::LoadU(d, p + at), hn::LoadU(d, dp + at), sum);
      },
      [&](auto d, size_t s, auto total) HWY_ATTR {
        for (size_t row = 0; row < rows; ++row) {
          const size_t at = row * columns + s;
          const auto centred = hn::Sub(hn::LoadU(d, dp + at), total);
          hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, p + at), centred), hn::Set(d, scale)), d,
                     dp + at);
        }
      });
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(SoftmaxDown);
HWY_EXPORT(SoftmaxBackwardDown);
HWY_EXPORT(InverseRms);
HWY_EXPORT(WeightedRows);
HWY_EXPORT(WeightedDot);
HWY_EXPORT(LogSumExp);

void inverse_rms(const float* x, size_t rows, size_t columns, size_t stride, float epsilon,
                 float* out) {
  HWY_DYNAMIC_DISPATCH(InverseRms)(x, rows, columns, stride, epsilon, out);
}
void weighted_rows(const float* matrix, size_t rows, size_t columns, size_t stride,
                   const float* weights, float* out) {
  HWY_DYNAMIC_DISPATCH(WeightedRows)(matrix, rows, columns, stride, weights, out);
}
void weighted_dot(const float* a, const float* b, const float* weight, size_t rows, size_t columns,
                  size_t stride, float* out) {
  HWY_DYNAMIC_DISPATCH(WeightedDot)(a, b, weight, rows, columns, stride, out);
}
void log_sum_exp(const float* x, size_t rows, size_t columns, size_t stride, float* out) {
  HWY_DYNAMIC_DISPATCH(LogSumExp)(x, rows, columns, stride, out);
}

void softmax_down(float* x, size_t rows, size_t columns, float scale) {
  HWY_DYNAMIC_DISPATCH(SoftmaxDown)(x, rows, columns, scale);
}
void softmax_backward_down(const float* p, float* dp, size_t rows, size_t columns, float scale) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardDown)(p, dp, rows, columns, scale);
}

}  // namespace anemone::simd
#endif
