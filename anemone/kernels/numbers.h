// Where the numbers of an operand are: fp32 ones, or bf16 ones.
#pragma once

#include <cstdint>

#include "anemone/base/half.h"

namespace anemone {

class Numbers {
 public:
  Numbers() = default;
  Numbers(const float* numbers) : data_(numbers) {}                     // NOLINT: a pointer
  Numbers(const BFloat16* numbers) : data_(numbers), is_bf16_(true) {}  // NOLINT: likewise

  bool is_bf16() const { return is_bf16_; }
  // Their memory, as one type or the other.
  const float* fp32() const { return static_cast<const float*>(data_); }
  const BFloat16* bf16() const { return static_cast<const BFloat16*>(data_); }

  Numbers operator+(int64_t count) const {
    return is_bf16_ ? Numbers(bf16() + count) : Numbers(fp32() + count);
  }
  Numbers& operator+=(int64_t count) { return *this = *this + count; }

 private:
  const void* data_ = nullptr;
  bool is_bf16_ = false;
};

}  // namespace anemone
