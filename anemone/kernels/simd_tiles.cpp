#include <algorithm>
#include <array>
#include <utility>

#include "anemone/kernels/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "anemone/kernels/simd_tiles.cpp"
#include <hwy/foreach_target.h>  // compiles this file once a target: must come first

#include "anemone/kernels/simd_packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace anemone::simd::HWY_NAMESPACE {

// C, and what it is added to, before it is needed. A row at a time, because all at once hold up the
// tile's own loads.
HWY_INLINE void AskForRow(const float* c, const float* sum) {
  for (int64_t v = 0; v < kVectors; ++v) {
    const int64_t at = v * static_cast<int64_t>(hn::Lanes(D()));
    __builtin_prefetch(c + at, 1);
    if (sum && sum != c) __builtin_prefetch(sum + at);
  }
}

template <int kCount, bool kTransposed, int kStep>
HWY_INLINE void Tile(const float* HWY_RESTRICT a, int64_t row_stride, const float* HWY_RESTRICT b,
                     int64_t units, int64_t n, const Result& to, PackingAhead& ahead) {
  const D d;
  float* c = to.c;
  const int64_t c_stride = to.stride;
  const float* sum = to.sum;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kCount][kVectors];
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (int64_t u = 0, row = 0; u < units; ++row) {
    if (row < kCount) AskForRow(c + row * c_stride, sum ? sum + row * c_stride : nullptr);
    const int64_t end = std::min(u + kTurn, units);
    for (; u < end; ++u) {
      const V b0 = hn::Load(d, b), b1 = hn::Load(d, b + lanes);
      b += kVectors * lanes;
      ANEMONE_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const V value = hn::Set(d, kTransposed ? a[u * kHalfRows + i] : a[i * row_stride + u]);
        sums[i][0] = hn::MulAdd(value, b0, sums[i][0]);
        sums[i][1] = hn::MulAdd(value, b1, sums[i][1]);
      }
    }
    if constexpr (kStep != kNoStep) TakeSteps<kStep>(ahead, ahead.pace);
  }
  if (n == kVectors * lanes) {
    ANEMONE_UNROLL
    for (int i = 0; i < kCount; ++i) {
      ANEMONE_UNROLL
      for (int64_t v = 0; v < kVectors; ++v) {
        const int64_t at = i * c_stride + v * lanes;
        hn::StoreU(sum ? hn::Add(hn::LoadU(d, sum + at), sums[i][v]) : sums[i][v], d, c + at);
      }
    }
    return;
  }
  HWY_ALIGN float row[kVectors * 16] = {};
  ANEMONE_UNROLL
  for (int i = 0; i < kCount; ++i) {
    ANEMONE_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) hn::Store(sums[i][v], d, row + v * lanes);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = i * c_stride + j;
      c[at] = sum ? sum[at] + row[j] : row[j];
    }
  }
}

// An instance for each kind of step, as in bf16_tiles.cpp.
template <bool kTransposed, int kStep>
void MultiplyRows(const float* a, int64_t row_stride, bool, const float* b, int64_t units,
                  int64_t rows, int64_t n, const Result& to, PackingAhead& ahead) {
  const auto at = [&](int64_t i) {
    return kTransposed ? a + i / kHalfRows * units * kHalfRows + i % kHalfRows : a + i * row_stride;
  };
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    Tile<kRows, kTransposed, kStep>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
  for (; i + 2 <= rows; i += 2) {
    Tile<2, kTransposed, kNoStep>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
  if (i < rows) {
    Tile<1, kTransposed, kNoStep>(at(i), row_stride, b, units, n, to.at(i, 0), ahead);
  }
}

template <int... kStep>
constexpr auto ByStep(std::integer_sequence<int, kStep...>) {
  return std::array{std::array{MultiplyRows<false, kStep>, MultiplyRows<true, kStep>}...};
}

void Multiply(const float* a, int64_t row_stride, bool transposed, const float* b, int64_t units,
              int64_t rows, int64_t n, const Result& to, PackingAhead& ahead) {
  static constexpr auto kByStep = ByStep(std::make_integer_sequence<int, kSteps>());
  const auto step = static_cast<size_t>(ahead.left > 0 ? ahead.step : kNoStep);
  kByStep[step][transposed](a, row_stride, transposed, b, units, rows, n, to, ahead);
}

template <int... kStep>
void FinishAny(PackingAhead& ahead, std::integer_sequence<int, kStep...>) {
  ((ahead.step == kStep ? TakeSteps<kStep>(ahead, ahead.left) : void()), ...);
}

void FinishPacking(PackingAhead& ahead) {
  FinishAny(ahead, std::make_integer_sequence<int, kSteps>());
}

// As many sums as hide the latency of one. They stay small, and are looked at in the end.
double Spin(int64_t turns) {
  constexpr int kSums = 12;
  const D d;
  V sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = hn::Set(d, 1e-3f * static_cast<float>(i));
  const V factor = hn::Set(d, 0.999f), more = hn::Set(d, 1e-3f);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int i = 0; i < kSums; ++i) sums[i] = hn::MulAdd(sums[i], factor, more);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  const double flops = 2.0 * kSums * static_cast<double>(hn::Lanes(d)) * static_cast<double>(turns);
  return hn::GetLane(sums[0]) < 1e9f ? flops : 0;
}

Tiles Fp32Tiles() {
  return {"fp32",       PanelColumns(), 1,          false,      PackA<false>,
          PackB<false>, Multiply,       PackAAhead, PackBAhead, FinishPacking};
}

Tiles EmulatedTiles() {
  return {"bf16 by fp32 instructions",
          PanelColumns(),
          1,
          true,
          PackA<true>,
          PackB<true>,
          Multiply,
          nullptr,
          nullptr,
          nullptr};
}

}  // namespace anemone::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace anemone {
namespace simd {
HWY_EXPORT(Fp32Tiles);
HWY_EXPORT(EmulatedTiles);
HWY_EXPORT(Spin);
}  // namespace simd

const Tiles& fp32_tiles() {
  static const Tiles tiles = [] {
    using namespace simd;
    return HWY_DYNAMIC_DISPATCH(Fp32Tiles)();
  }();
  return tiles;
}

const Tiles& detail::emulated_bf16_tiles() {
  static const Tiles tiles = [] {
    using namespace simd;
    return HWY_DYNAMIC_DISPATCH(EmulatedTiles)();
  }();
  return tiles;
}

double detail::fp32_spin(int64_t turns) {
  using namespace simd;
  return HWY_DYNAMIC_DISPATCH(Spin)(turns);
}

const Tiles& bf16_tiles() {
  const Tiles* native = detail::native_bf16_tiles();
  return native ? *native : detail::emulated_bf16_tiles();
}

bool has_bf16_instructions() { return detail::native_bf16_tiles() != nullptr; }

}  // namespace anemone
#endif
