// A matrix, in fp32, bf16 or int8, times one vector or a few.
#include "anemone/kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_matrix.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd-inl.h"
#include "anemone/kernels/tiles.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> LoadWide(D d, const float* from) {
  return hn::LoadU(d, from);
}

// bf16 is the upper half of fp32.
template <class D>
HWY_INLINE hn::Vec<D> LoadWide(D d, const uint16_t* from) {
  const hn::Rebind<uint16_t, D> narrow;
  const hn::RebindToUnsigned<D> wide;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, hn::LoadU(narrow, from))));
}

template <class D>
HWY_INLINE hn::Vec<D> LoadWide(D d, const int8_t* from) {
  const hn::Rebind<int8_t, D> narrow;
  const hn::RebindToSigned<D> whole;
  return hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(narrow, from)));
}

// a · b in order of vectors, the last few elements by fours and one by one.
template <typename T>
HWY_INLINE float DotOf(const T* a, const float* b, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> quarter;
  const hn::CappedTag<float, 1> one;
  const size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    sum0 = hn::MulAdd(LoadWide(d, a + i), hn::LoadU(d, b + i), sum0);
    sum1 = hn::MulAdd(LoadWide(d, a + i + lanes), hn::LoadU(d, b + i + lanes), sum1);
    sum2 = hn::MulAdd(LoadWide(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes), sum2);
    sum3 = hn::MulAdd(LoadWide(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= n; i += lanes) {
    sum0 = hn::MulAdd(LoadWide(d, a + i), hn::LoadU(d, b + i), sum0);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  auto rest = hn::Zero(quarter);
  for (; i + hn::Lanes(quarter) <= n; i += hn::Lanes(quarter)) {
    rest = hn::MulAdd(LoadWide(quarter, a + i), hn::LoadU(quarter, b + i), rest);
  }
  sum += hn::GetLane(hn::SumOfLanes(quarter, rest));
  for (; i < n; ++i) sum += hn::GetLane(LoadWide(one, a + i)) * b[i];
  return sum;
}

float Dot(const float* a, const float* b, size_t n) { return DotOf(a, b, n); }

// What follows the two vectors at a distance: with several vectors of x, or narrow numbers to
// widen, there is arithmetic enough that the processor by itself does not look as far ahead as
// memory is away. It also stops at pages, which are small where a file is mapped.
template <typename T>
HWY_INLINE void AskFor(const T* first, const T* second) {
  constexpr size_t kAhead = 2048 / sizeof(T);
  __builtin_prefetch(first + kAhead);
  if (sizeof(T) > 2) __builtin_prefetch(second + kAhead);  // else in the same cache line
}

// kRows rows of the matrix, `apart` from each other, by kVectors vectors. A sum has one order
// whatever it is computed beside: the even and the odd vectors of a row, then what is left.
template <size_t kRows, size_t kVectors, typename T>
HWY_INLINE void Products(const T* a, size_t apart, const float* b, size_t b_stride, size_t n,
                         const float* sum, float* out, size_t out_row) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<hn::ScalableTag<float>>;
  const size_t lanes = hn::Lanes(d);
  V even[kRows][kVectors], odd[kRows][kVectors];
  ANEMONE_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    ANEMONE_UNROLL
    for (size_t v = 0; v < kVectors; ++v) even[r][v] = odd[r][v] = hn::Zero(d);
  }
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    V x[kVectors], y[kVectors];
    ANEMONE_UNROLL
    for (size_t v = 0; v < kVectors; ++v) {
      x[v] = hn::LoadU(d, b + v * b_stride + i);
      y[v] = hn::LoadU(d, b + v * b_stride + i + lanes);
    }
    ANEMONE_UNROLL
    for (size_t r = 0; r < kRows; ++r) {
      const T* row = a + r * apart + i;
      if (kVectors > 1 || sizeof(T) < sizeof(float)) AskFor(row, row + lanes);
      const V first = LoadWide(d, row), second = LoadWide(d, row + lanes);
      ANEMONE_UNROLL
      for (size_t v = 0; v < kVectors; ++v) {
        even[r][v] = hn::MulAdd(first, x[v], even[r][v]);
        odd[r][v] = hn::MulAdd(second, y[v], odd[r][v]);
      }
    }
  }
  ANEMONE_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    ANEMONE_UNROLL
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t at = r * out_row + v;
      float product = hn::GetLane(hn::SumOfLanes(d, hn::Add(even[r][v], odd[r][v])));
      if (i < n) product += DotOf(a + r * apart + i, b + v * b_stride + i, n - i);
      out[at] = sum ? sum[at] + product : product;
    }
  }
}

// What is multiplied: rows of `n` numbers and `vectors` vectors.
template <typename T>
struct Problem {
  const T* matrix;
  size_t stride, n;
  const float* x;
  size_t x_stride, vectors;
  const float* sum;
  float* out;
  size_t out_stride;
};

// Rows of several parts of the matrix at a time: memory is read faster in a few streams than in
// one.
constexpr size_t kStreams = 4;
// The registers hold the sums of so many vectors with two rows.
constexpr size_t kVectorsTogether = 4;

// kCount rows that are `apart` from each other, by kVectors vectors from `v` on.
template <size_t kCount, size_t kVectors, typename T>
HWY_INLINE void RowsBy(const Problem<T>& p, size_t row, size_t apart, size_t v) {
  constexpr size_t kRows = kCount == 1 ? 1 : kVectors == 1 ? 4 : 2;
  for (size_t r = 0; r < kCount; r += kRows) {
    const size_t first = row + r * apart, at = first * p.out_stride + v;
    Products<kRows, kVectors>(p.matrix + first * p.stride, apart * p.stride, p.x + v * p.x_stride,
                              p.x_stride, p.n, p.sum ? p.sum + at : nullptr, p.out + at,
                              apart * p.out_stride);
  }
}

// The rows come from memory once, and from the first-level cache for further vectors.
template <size_t kCount, typename T>
HWY_INLINE void Rows(const Problem<T>& p, size_t row, size_t apart) {
  size_t v = 0;
  for (; v + kVectorsTogether <= p.vectors; v += kVectorsTogether) {
    RowsBy<kCount, kVectorsTogether>(p, row, apart, v);
  }
  switch (p.vectors - v) {
    case 1:
      return RowsBy<kCount, 1>(p, row, apart, v);
    case 2:
      return RowsBy<kCount, 2>(p, row, apart, v);
    case 3:
      return RowsBy<kCount, 3>(p, row, apart, v);
    default:
      return;
  }
}

template <typename T>
HWY_INLINE void MatrixVectorsOf(const Problem<T>& p, size_t rows) {
  const size_t part = rows / kStreams;
  for (size_t row = 0; row < part; ++row) Rows<kStreams>(p, row, part);
  for (size_t row = kStreams * part; row < rows; ++row) Rows<1>(p, row, 0);
}

void MatrixVectors(const float* matrix, size_t rows, size_t columns, size_t stride, const float* x,
                   size_t x_stride, size_t vectors, const float* sum, float* out,
                   size_t out_stride) {
  MatrixVectorsOf<float>({matrix, stride, columns, x, x_stride, vectors, sum, out, out_stride},
                         rows);
}

void Bf16MatrixVectors(const uint16_t* matrix, size_t rows, size_t columns, size_t stride,
                       const float* x, size_t x_stride, size_t vectors, const float* sum,
                       float* out, size_t out_stride) {
  MatrixVectorsOf<uint16_t>({matrix, stride, columns, x, x_stride, vectors, sum, out, out_stride},
                            rows);
}

void Int8MatrixVectors(const int8_t* matrix, size_t rows, size_t columns, size_t stride,
                       const float* x, size_t x_stride, size_t vectors, const float* sum,
                       float* out, size_t out_stride) {
  MatrixVectorsOf<int8_t>({matrix, stride, columns, x, x_stride, vectors, sum, out, out_stride},
                          rows);
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone::simd {

HWY_EXPORT(Dot);
HWY_EXPORT(MatrixVectors);
HWY_EXPORT(Bf16MatrixVectors);
HWY_EXPORT(Int8MatrixVectors);

float dot(const float* a, const float* b, size_t n) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n); }
void matrix_vector(const float* matrix, size_t rows, size_t columns, size_t stride, const float* x,
                   float* out) {
  HWY_DYNAMIC_DISPATCH(MatrixVectors)
  (matrix, rows, columns, stride, x, columns, 1, nullptr, out, 1);
}
void matrix_vectors(const float* matrix, size_t rows, size_t columns, size_t stride, const float* x,
                    size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(MatrixVectors)
  (matrix, rows, columns, stride, x, x_stride, vectors, sum, out, out_stride);
}
void matrix_vectors(const uint16_t* matrix, size_t rows, size_t columns, size_t stride,
                    const float* x, size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(Bf16MatrixVectors)
  (matrix, rows, columns, stride, x, x_stride, vectors, sum, out, out_stride);
}
void matrix_vectors(const int8_t* matrix, size_t rows, size_t columns, size_t stride,
                    const float* x, size_t x_stride, size_t vectors, const float* sum, float* out,
                    size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(Int8MatrixVectors)
  (matrix, rows, columns, stride, x, x_stride, vectors, sum, out, out_stride);
}

}  // namespace anemone::simd
#endif
