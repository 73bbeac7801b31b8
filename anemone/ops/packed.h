// What the constexpr_… operations share: parameters that are attributes or operands, elements
// smaller than a byte, and blocks of a tensor.
#pragma once

#include "anemone/ops/op_def.h"

namespace anemone {

// Whether a parameter is there, as an operand or as an attribute.
bool is_given(const OpArgs& args, std::string_view name);
// The type of a parameter that is there.
const Type& given_type(const OpArgs& args, std::string_view name);
// Its numbers: the operand's, or the attribute's, which must be loaded.
TensorView given_numbers(const EvalArgs& args, std::string_view name);

// Element `index` of a tensor, whose elements may be smaller than a byte: element i takes the bits
// from i * width on, bit 0 being the lowest of byte 0. int4 is two's complement.
double packed_at(const TensorView& view, int64_t index);
void packed_set(const TensorView& view, int64_t index, double value);
// `width` bits, up to 8, as an unsigned number.
uint32_t bits_at(const void* data, int width, int64_t index);

// Quoting `rule`: `blocks` has the rank of `shape` and divides each of its sizes.
void require_blocks(const OpArgs& args, const Shape& shape, const Shape& blocks,
                    std::string_view rule);

// Where the indices of each axis of `shape` lie among `blocks`, which cuts axis a into blocks[a]
// equal parts: the sum over the axes is the number of the block.
std::vector<std::vector<int64_t>> block_tables(const Shape& shape, const Shape& blocks);

// Calls visit(element, block) for the elements of `shape` in order, and the block that each is in.
template <typename Visit>
void for_each_in_blocks(const Shape& shape, const Shape& blocks, Visit&& visit) {
  if (shape.empty()) return visit(int64_t{0}, int64_t{0});
  const auto tables = block_tables(shape, blocks);
  const std::vector<int64_t>& inner = tables.back();
  Shape index(shape.size() - 1, 0);
  const int64_t count = element_count(shape);
  for (int64_t element = 0; element < count;) {
    int64_t block = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      block += tables[axis][static_cast<size_t>(index[axis])];
    }
    for (int64_t part : inner) visit(element++, block + part);
    for (size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace anemone
