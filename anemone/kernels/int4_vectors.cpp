#include "anemone/kernels/int4_vectors.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(ANEMONE_NO_NATIVE_BF16)
#define ANEMONE_NATIVE_INT4 1
#include "anemone/kernels/bf16_packing.h"
#endif

namespace anemone {
namespace {

constexpr size_t kGroup = static_cast<size_t>(kInt4Group), kHalfGroup = kGroup / 2;
constexpr size_t kGroups = QuantizedBlock::kGroups;
constexpr size_t kLanesOfGroup = kGroup / 8;

// Halves to even, for numbers below 2^22: the sum has no place for fractions. Unlike a function of
// the library it becomes vectors.
float nearest(float x) {
  constexpr float kNoFractions = 0x1.8p23f;
  return (x + kNoFractions) - kNoFractions;
}

// `count` numbers of group `group`, 0 or all.
void quantize_group(const float* x, size_t stride, size_t count, size_t group,
                    QuantizedBlock& block) {
  float numbers[kGroup] = {};
  for (size_t i = 0; i < count; ++i) numbers[i] = x[i * stride];
  float most[8] = {};
  for (size_t i = 0; i < kGroup; i += 8) {
    for (size_t j = 0; j < 8; ++j) most[j] = std::max(most[j], std::abs(numbers[i + j]));
  }
  const float largest = *std::max_element(most, most + 8);
  const float scale = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
  int8_t* even = block.even + group * kHalfGroup;
  int8_t* odd = block.odd + group * kHalfGroup;
  for (size_t i = 0; i < kHalfGroup; ++i) {
    even[i] = static_cast<int8_t>(static_cast<int32_t>(nearest(numbers[2 * i] * inverse)));
    odd[i] = static_cast<int8_t>(static_cast<int32_t>(nearest(numbers[2 * i + 1] * inverse)));
  }
  for (size_t lane = 0; lane < kLanesOfGroup; ++lane) {
    int32_t sum = 0;
    for (size_t i = 4 * lane; i < 4 * lane + 4; ++i) sum += even[i] + odd[i];
    block.offset[group * kLanesOfGroup + lane] = -8 * sum;
    block.scale[group * kLanesOfGroup + lane] = scale;
  }
}

// --- everywhere ---

int32_t group_product(const uint8_t* packed, const int8_t* even, const int8_t* odd) {
  int32_t sum = 0;
  for (size_t i = 0; i < kHalfGroup; ++i) {
    sum += ((packed[i] & 15) ^ 8) * even[i] + ((packed[i] >> 4) ^ 8) * odd[i];
  }
  return sum;
}

void portable_vectors(Int4Numbers matrix, size_t rows, size_t columns, const QuantizedBlock* x,
                      size_t vectors, float* out, size_t out_stride) {
  const size_t groups = columns / kGroup, blocks = quantized_blocks(columns);
  for (size_t row = 0; row < rows; ++row) {
    const Int4Numbers numbers = matrix + static_cast<int64_t>(row * columns);
    for (size_t v = 0; v < vectors; ++v) {
      float sum = 0;
      for (size_t g = 0; g < groups; ++g) {
        const QuantizedBlock& block = x[v * blocks + g / kGroups];
        const size_t at = g % kGroups;
        const int32_t* offset = block.offset + at * kLanesOfGroup;
        int32_t product = group_product(numbers.packed + g * kHalfGroup,
                                        block.even + at * kHalfGroup, block.odd + at * kHalfGroup);
        for (size_t lane = 0; lane < kLanesOfGroup; ++lane) product += offset[lane];
        sum += static_cast<float>(product) *
               (to_float(numbers.scales[g]) * block.scale[at * kLanesOfGroup]);
      }
      out[row * out_stride + v] = sum;
    }
  }
}

#if defined(ANEMONE_NATIVE_INT4)

// --- AVX-512 VNNI ---

#define ANEMONE_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))
#define ANEMONE_VNNI_INLINE ANEMONE_VNNI __attribute__((always_inline)) inline

// A block of a vector, in registers.
struct LoadedBlock {
  __m512i even, odd, offset;
  __m512 scale;
};

ANEMONE_VNNI_INLINE LoadedBlock load(const QuantizedBlock& block) {
  return {_mm512_load_si512(block.even), _mm512_load_si512(block.odd),
          _mm512_load_si512(block.offset), _mm512_load_ps(block.scale)};
}

// Each scale of up to four for the lanes of its group.
ANEMONE_VNNI_INLINE __m512 spread(__m128i halves) {
  const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_cvtph_ps(halves)));
}

// `sum` and the products of four groups, sixteen sums of eight each. With 8 added to integers of
// two's complement they are those without a sign that the instruction takes.
ANEMONE_VNNI_INLINE __m512 add_products(__m512 sum, __m512i packed, __m128i scales,
                                        const LoadedBlock& x) {
  constexpr int kAndThenXor = 0x6A;  // of the bits of three operands: (a & b) ^ c
  const __m512i low = _mm512_set1_epi8(0x0F), eight = _mm512_set1_epi8(0x08);
  const __m512i even = _mm512_ternarylogic_epi32(packed, low, eight, kAndThenXor);
  const __m512i odd =
      _mm512_ternarylogic_epi32(_mm512_srli_epi16(packed, 4), low, eight, kAndThenXor);
  __m512i products = _mm512_dpbusd_epi32(x.offset, even, x.even);
  products = _mm512_dpbusd_epi32(products, odd, x.odd);
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), _mm512_mul_ps(spread(scales), x.scale), sum);
}

constexpr int kStreams = 4;  // parts of the matrix whose rows are read side by side

// kRows rows, `apart` numbers from each other.
template <int kRows>
ANEMONE_VNNI_INLINE void multiply_rows(Int4Numbers matrix, size_t apart, size_t columns,
                                       const QuantizedBlock* x, float* out, size_t out_apart) {
  const size_t whole = columns / QuantizedBlock::kNumbers;
  const size_t groups = columns / kGroup % kGroups;  // of a last block that is not whole
  const uint8_t* packed[kRows];
  const Half* scales[kRows];
  __m512 sums[kRows];
  ANEMONE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Int4Numbers row = matrix + static_cast<int64_t>(static_cast<size_t>(r) * apart);
    packed[r] = row.packed;
    scales[r] = row.scales;
    sums[r] = _mm512_setzero_ps();
  }
  for (size_t b = 0; b < whole; ++b) {
    const LoadedBlock block = load(x[b]);
    ANEMONE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512i numbers = _mm512_loadu_si512(packed[r] + b * sizeof(__m512i));
      const auto* of_block = reinterpret_cast<const __m128i*>(scales[r] + b * kGroups);
      sums[r] = add_products(sums[r], numbers, _mm_loadl_epi64(of_block), block);
    }
  }
  if (groups > 0) {
    const LoadedBlock block = load(x[whole]);
    const auto lanes = static_cast<__mmask16>((1 << groups * kLanesOfGroup) - 1);
    const auto halves = static_cast<__mmask8>((1 << groups) - 1);
    ANEMONE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512i numbers = _mm512_maskz_loadu_epi32(lanes, packed[r] + whole * sizeof(__m512i));
      const __m128i of_block = _mm_maskz_loadu_epi16(halves, scales[r] + whole * kGroups);
      sums[r] = add_products(sums[r], numbers, of_block, block);
    }
  }
  ANEMONE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    out[static_cast<size_t>(r) * out_apart] = _mm512_reduce_add_ps(sums[r]);
  }
}

ANEMONE_VNNI void native_vectors(Int4Numbers matrix, size_t rows, size_t columns,
                                 const QuantizedBlock* x, size_t vectors, float* out,
                                 size_t out_stride) {
  const size_t blocks = quantized_blocks(columns), part = rows / kStreams;
  const auto row_at = [&](size_t row) { return matrix + static_cast<int64_t>(row * columns); };
  for (size_t row = 0; row < part; ++row) {
    for (size_t v = 0; v < vectors; ++v) {
      multiply_rows<kStreams>(row_at(row), part * columns, columns, x + v * blocks,
                              out + row * out_stride + v, part * out_stride);
    }
  }
  for (size_t row = kStreams * part; row < rows; ++row) {
    for (size_t v = 0; v < vectors; ++v) {
      multiply_rows<1>(row_at(row), 0, columns, x + v * blocks, out + row * out_stride + v, 0);
    }
  }
}

#endif

}  // namespace

void quantize_vector(const float* x, size_t stride, size_t columns, QuantizedBlock* blocks) {
  for (size_t g = 0; g < quantized_blocks(columns) * kGroups; ++g) {
    const size_t begin = std::min(g * kGroup, columns);
    quantize_group(x + begin * stride, stride, std::min(kGroup, columns - begin), g % kGroups,
                   blocks[g / kGroups]);
  }
}

decltype(&matrix_vectors) detail::portable_int4_vectors() { return &portable_vectors; }

decltype(&matrix_vectors) detail::native_int4_vectors() {
#if defined(ANEMONE_NATIVE_INT4)
  static const bool there =
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (there) return &native_vectors;
#endif
  return nullptr;
}

void matrix_vectors(Int4Numbers matrix, size_t rows, size_t columns, const QuantizedBlock* x,
                    size_t vectors, float* out, size_t out_stride) {
  static const auto best = detail::native_int4_vectors() ? detail::native_int4_vectors()
                                                         : detail::portable_int4_vectors();
  best(matrix, rows, columns, x, vectors, out, out_stride);
}

}  // namespace anemone
