#include "anemone/tensor/dtype.h"

#include <iterator>

namespace anemone {
namespace {

struct Row {
  std::string_view name;
  int bits;
};

// In the order of the enumeration.
constexpr Row kRows[] = {
    {"bool", 8},   {"string", 0}, {"fp16", 16},   {"fp32", 32},   {"fp64", 64},
    {"bf16", 16},  {"int4", 4},   {"int8", 8},    {"int16", 16},  {"int32", 32},
    {"int64", 64}, {"uint1", 1},  {"uint2", 2},   {"uint3", 3},   {"uint4", 4},
    {"uint6", 6},  {"uint8", 8},  {"uint16", 16}, {"uint32", 32}, {"uint64", 64},
};
static_assert(std::size(kRows) == static_cast<size_t>(DType::kUInt64) + 1);

}  // namespace

std::string_view name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

int bits(DType dtype) { return kRows[static_cast<size_t>(dtype)].bits; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

bool is_integer(DType dtype) { return dtype >= DType::kInt4; }

}  // namespace anemone
