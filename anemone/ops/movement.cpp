#include "anemone/ops/movement.h"

#include <algorithm>
#include <cstring>

namespace anemone {
namespace {

bool is_run(const std::vector<int64_t>& offsets) {
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] == kSkip || offsets[i] != offsets[0] + static_cast<int64_t>(i)) return false;
  }
  return true;
}

template <typename T>
void copy_row(const T* from, const std::vector<int64_t>& offsets, bool run, T* to) {
  if (run) {
    std::memcpy(to, from + offsets[0], offsets.size() * sizeof(T));
    return;
  }
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] != kSkip) to[i] = from[offsets[i]];
  }
}

// Sum of the tables' entries at `index`, or kSkip.
int64_t row_offset(const OffsetTables& tables, const Shape& index) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < index.size(); ++axis) {
    const int64_t part = tables[axis][static_cast<size_t>(index[axis])];
    if (part == kSkip) return kSkip;
    offset += part;
  }
  return offset;
}

template <typename T>
void copy_elements(const T* from, const OffsetTables& tables, T* to) {
  static const std::vector<int64_t> kOne = {0};
  const std::vector<int64_t>& inner = tables.empty() ? kOne : tables.back();
  const size_t outer_rank = tables.empty() ? 0 : tables.size() - 1;
  const bool run = is_run(inner);
  Shape index(outer_rank, 0);
  for (bool more = true; more; to += inner.size()) {
    const int64_t offset = row_offset(tables, index);
    if (offset != kSkip) copy_row(from + offset, inner, run, to);
    more = false;
    for (size_t axis = outer_rank; axis-- > 0 && !more;) {
      more = ++index[axis] < static_cast<int64_t>(tables[axis].size());
      if (!more) index[axis] = 0;
    }
  }
}

template <typename T>
void copy_as(const TensorView& from, const OffsetTables& tables, const TensorView& to) {
  copy_elements(static_cast<const T*>(from.data), tables, static_cast<T*>(to.data));
}

}  // namespace

void copy_by_tables(const TensorView& from, const OffsetTables& tables, const TensorView& to) {
  if (to.size() == 0) return;
  switch (bits(to.dtype)) {
    case 8:
      return copy_as<uint8_t>(from, tables, to);
    case 16:
      return copy_as<uint16_t>(from, tables, to);
    case 32:
      return copy_as<uint32_t>(from, tables, to);
    default:
      ANEMONE_CHECK(bits(to.dtype) == 64);
      return copy_as<uint64_t>(from, tables, to);
  }
}

void put_by_tables(const TensorView& from, const OffsetTables& tables, const TensorView& to) {
  const auto bytes = static_cast<size_t>(bits(from.dtype)) / 8;
  const auto* source = static_cast<const char*>(from.data);
  auto* target = static_cast<char*>(to.data);
  Shape index(tables.size(), 0);
  const int64_t count = element_count(from.shape);
  for (int64_t i = 0; i < count; ++i, source += bytes) {
    std::memcpy(target + static_cast<size_t>(row_offset(tables, index)) * bytes, source, bytes);
    for (size_t axis = tables.size(); axis-- > 0;) {
      if (++index[axis] < static_cast<int64_t>(tables[axis].size())) break;
      index[axis] = 0;
    }
  }
}

std::vector<int64_t> axis_offsets(int64_t start, int64_t step, int64_t count, int64_t stride) {
  std::vector<int64_t> offsets(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    offsets[static_cast<size_t>(i)] = (start + i * step) * stride;
  }
  return offsets;
}

OffsetTables identity_tables(const Shape& shape) {
  const Shape strides = row_major_strides(shape);
  OffsetTables tables;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    tables.push_back(axis_offsets(0, 1, shape[axis], strides[axis]));
  }
  return tables;
}

std::vector<size_t> distinct_axes(const OpArgs& args, const std::vector<int64_t>& axes, size_t rank,
                                  std::string_view rule) {
  std::vector<size_t> result;
  for (int64_t given : axes) {
    const size_t axis = args.axis(given, rank, rule);
    args.require(std::find(result.begin(), result.end(), axis) == result.end(),
                 "{}: axis {} is given twice", rule, axis);
    result.push_back(axis);
  }
  return result;
}

AxisSplit split_at(const Shape& shape, size_t axis) {
  AxisSplit split;
  for (size_t i = 0; i < axis; ++i) split.outer *= shape[i];
  split.size = shape[axis];
  for (size_t i = axis + 1; i < shape.size(); ++i) split.inner *= shape[i];
  return split;
}

Value tile_to_shape(Builder& b, Value value, const Shape& shape) {
  const Shape& from = value->type.shape;
  ANEMONE_CHECK(from.size() == shape.size());
  Shape reps(shape.size(), 1);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (from[i] != shape[i]) reps[i] = shape[i];
  }
  return from == shape ? value : b.tile(value, reps);
}

Value pad_with_zeros(Builder& b, Value value, const Shape& before, const Shape& after) {
  Shape amounts;
  for (size_t i = 0; i < before.size(); ++i) {
    amounts.push_back(before[i]);
    amounts.push_back(after[i]);
  }
  if (std::all_of(amounts.begin(), amounts.end(), [](int64_t n) { return n == 0; })) return value;
  return b.op("pad", {{"x", value},
                      {"pad", b.integers(amounts)},
                      {"mode", b.text("constant")},
                      {"constant_val", b.scalar(value->type.dtype, 0)}});
}

}  // namespace anemone
