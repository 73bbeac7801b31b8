// Element types, with the names that MIL text uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "anemone/base/half.h"

namespace anemone {

enum class DType : uint8_t {
  kBool,
  kString,
  kFp16,
  kFp32,
  kFp64,
  kBf16,
  kInt4,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt1,
  kUInt2,
  kUInt3,
  kUInt4,
  kUInt6,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
};

// "fp16", "int32", …
std::string_view name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

// Bits an element takes in memory and in weight files; a bool takes 8, a string 0.
int bits(DType dtype);

// Bytes that `count` elements take, sub-byte types packed.
inline size_t byte_size(DType dtype, int64_t count) {
  return (static_cast<size_t>(count) * static_cast<size_t>(bits(dtype)) + 7) / 8;
}

inline bool is_float(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kFp32 || dtype == DType::kFp64 ||
         dtype == DType::kBf16;
}
bool is_integer(DType dtype);

// The DType whose elements have C++ type T.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::kBool;
  if constexpr (std::is_same_v<T, Half>) return DType::kFp16;
  if constexpr (std::is_same_v<T, BFloat16>) return DType::kBf16;
  if constexpr (std::is_same_v<T, float>) return DType::kFp32;
  if constexpr (std::is_same_v<T, double>) return DType::kFp64;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kInt8;
  if constexpr (std::is_same_v<T, int16_t>) return DType::kInt16;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kInt32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kInt64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kUInt8;
  if constexpr (std::is_same_v<T, uint16_t>) return DType::kUInt16;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::kUInt32;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::kUInt64;
}

}  // namespace anemone
