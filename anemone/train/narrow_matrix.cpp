#include "anemone/train/narrow_matrix.h"

#include <algorithm>
#include <cmath>

#include "anemone/base/error.h"
#include "anemone/base/int4.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

constexpr size_t kGroup = static_cast<size_t>(kInt4Group);

// The rows of a matrix in fp32.
class WideRows {
 public:
  explicit WideRows(const TensorView& matrix)
      : matrix_(matrix),
        columns_(matrix.shape[0] == 0 ? 0 : matrix.size() / matrix.shape[0]),
        wide_(DType::kFp32, {columns_}) {}

  size_t columns() const { return static_cast<size_t>(columns_); }

  // Valid until the next call.
  std::span<const float> at(int64_t row) const {
    const auto* begin = static_cast<std::byte*>(matrix_.data) +
                        byte_size(matrix_.dtype, columns_) * static_cast<size_t>(row);
    if (matrix_.dtype == DType::kFp32) return {reinterpret_cast<const float*>(begin), columns()};
    convert({matrix_.dtype, {columns_}, const_cast<std::byte*>(begin)}, wide_);
    return wide_.as<float>();
  }

 private:
  TensorView matrix_;
  int64_t columns_;
  Tensor wide_;
};

void int8_row(std::span<const float> from, float& scale, int8_t* to) {
  float largest = 0;
  for (const float x : from) largest = std::max(largest, std::abs(x));
  scale = largest > 0 ? largest / 127 : 1;
  simd::quantize(from.data(), scale, 0, to, from.size());
}

// Of the numbers of a group; the first of two as far from 0.
float farthest_from_zero(const float* from) {
  float high[8] = {}, low[8] = {};
  for (size_t i = 0; i < kGroup; i += 8) {
    for (size_t j = 0; j < 8; ++j) {
      high[j] = std::max(high[j], from[i + j]);
      low[j] = std::min(low[j], from[i + j]);
    }
  }
  const float most = *std::max_element(high, high + 8), least = *std::min_element(low, low + 8);
  return most >= -least ? most : least;
}

void int4_group(const float* from, Half& scale, uint8_t* to) {
  constexpr float kLargestHalf = 65504;
  scale = to_half(std::clamp(farthest_from_zero(from) / -8, -kLargestHalf, kLargestHalf));
  const float unit = to_float(scale);
  int8_t numbers[kGroup] = {};
  if (unit != 0) simd::quantize(from, unit, 0, numbers, kGroup);
  for (size_t i = 0; i < kGroup; i += 2) {
    const int low = std::clamp<int>(numbers[i], -8, 7),
              high = std::clamp<int>(numbers[i + 1], -8, 7);
    to[i / 2] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
  }
}

}  // namespace

NarrowMatrix narrowed(const TensorView& matrix, DType type) {
  const WideRows wide(matrix);
  const int64_t rows = matrix.shape[0];
  const size_t columns = wide.columns(), groups = columns / kGroup;
  NarrowMatrix narrow{Tensor(type, matrix.shape), {}};
  if (type == DType::kInt8) {
    narrow.scales = Tensor(DType::kFp32, {rows});
  } else {
    ANEMONE_CHECK(type == DType::kInt4 && columns % kGroup == 0);
    narrow.scales = Tensor(DType::kFp16, {rows, static_cast<int64_t>(groups)});
  }
  for (int64_t r = 0; r < rows; ++r) {
    const std::span<const float> from = wide.at(r);
    const auto row = static_cast<size_t>(r);
    if (type == DType::kInt8) {
      int8_row(from, narrow.scales.as<float>()[row],
               narrow.numbers.as<int8_t>().data() + row * columns);
      continue;
    }
    auto* to = static_cast<uint8_t*>(narrow.numbers.view().data) + row * columns / 2;
    for (size_t g = 0; g < groups; ++g) {
      int4_group(from.data() + g * kGroup, narrow.scales.as<Half>()[row * groups + g],
                 to + g * kGroup / 2);
    }
  }
  return narrow;
}

}  // namespace anemone
