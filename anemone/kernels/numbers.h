// Where the numbers of an operand are, and of which type they are.
#pragma once

#include <cstdint>

#include "anemone/base/half.h"
#include "anemone/base/int4.h"

namespace anemone {

class Numbers {
 public:
  Numbers() = default;
  Numbers(const float* numbers) : data_(numbers) {}                             // NOLINT: a pointer
  Numbers(const BFloat16* numbers) : data_(numbers), stored_(Stored::kBf16) {}  // NOLINT: likewise
  Numbers(const int8_t* numbers) : data_(numbers), stored_(Stored::kInt8) {}    // NOLINT: likewise

  Numbers(const Int4Numbers& numbers)  // NOLINT: likewise
      : data_(numbers.packed), scales_(numbers.scales), stored_(Stored::kInt4) {}

  bool is_fp32() const { return stored_ == Stored::kFp32; }
  bool is_bf16() const { return stored_ == Stored::kBf16; }
  bool is_int8() const { return stored_ == Stored::kInt8; }
  bool is_int4() const { return stored_ == Stored::kInt4; }
  // Their memory, as one type or another.
  const float* fp32() const { return static_cast<const float*>(data_); }
  const BFloat16* bf16() const { return static_cast<const BFloat16*>(data_); }
  const int8_t* int8() const { return static_cast<const int8_t*>(data_); }
  Int4Numbers int4() const { return {static_cast<const uint8_t*>(data_), scales_}; }

  Numbers operator+(int64_t count) const {
    if (is_int4()) return int4() + count;
    if (is_bf16()) return bf16() + count;
    if (is_int8()) return int8() + count;
    return fp32() + count;
  }
  Numbers& operator+=(int64_t count) { return *this = *this + count; }

 private:
  enum class Stored : uint8_t { kFp32, kBf16, kInt8, kInt4 };
  const void* data_ = nullptr;
  const Half* scales_ = nullptr;  // of int4
  Stored stored_ = Stored::kFp32;
};

}  // namespace anemone
