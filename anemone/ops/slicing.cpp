// Parts of one tensor: slices, crop, split, reverse.
#include <algorithm>
#include <cmath>

#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"
#include "anemone/ops/slicing.h"

namespace anemone {
namespace {

// Python's begin:end:stride on an axis of `size`; an open end reaches as far as the stride goes.
Range python_slice(int64_t size, int64_t begin, int64_t end, int64_t stride, bool open_begin,
                   bool open_end) {
  const int64_t lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? size : size - 1;
  const auto clamp = [&](int64_t index) {
    return std::clamp(index < 0 ? index + size : index, lowest, highest);
  };
  const int64_t first = open_begin ? (stride > 0 ? 0 : size - 1) : clamp(begin);
  const int64_t last = open_end ? (stride > 0 ? size : -1) : clamp(end);
  const int64_t span = stride > 0 ? last - first : first - last;
  const int64_t step = std::abs(stride);
  return {first, stride, span > 0 ? (span + step - 1) / step : 0};
}

}  // namespace

std::vector<int64_t> per_axis(const OpArgs& args, std::string_view name, int64_t fallback) {
  const size_t rank = args.shape("x").size();
  std::vector<int64_t> values =
      args.has(name) ? args.integers(name) : std::vector<int64_t>(rank, fallback);
  args.require(values.size() == rank, "{}.c1: '{}' has {} numbers for rank {}", args.op().type,
               name, values.size(), rank);
  return values;
}

std::vector<Range> ranges_of_slice(const OpArgs& args, const SliceNumbers& n) {
  const Shape& shape = args.shape("x");
  const std::string& op = args.op().type;
  std::vector<Range> ranges;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (n.squeeze[i]) {
      const int64_t index = n.open_begin[i] ? 0 : n.begin[i];
      const int64_t at = index < 0 ? index + shape[i] : index;
      args.require(at >= 0 && at < shape[i], "{}.c2: index {} is outside axis {} of size {}", op,
                   index, i, shape[i]);
      ranges.push_back({at, 1, 1, true});
      continue;
    }
    args.require(n.stride[i] != 0, "{}.c3: the stride of axis {} is 0", op, i);
    ranges.push_back(
        python_slice(shape[i], n.begin[i], n.end[i], n.stride[i], n.open_begin[i], n.open_end[i]));
    args.require(ranges.back().size > 0, "{}.c4: the slice of axis {} is empty", op, i);
  }
  return ranges;
}

std::vector<Range> ranges_by_index(const OpArgs& args) {
  return ranges_of_slice(args, {per_axis(args, "begin", 0), per_axis(args, "end", 0),
                                per_axis(args, "stride", 1), per_axis(args, "squeeze_mask", 0),
                                per_axis(args, "begin_mask", 0), per_axis(args, "end_mask", 0)});
}

namespace {

constexpr Param kByIndex[] = {
    param("x", Accepts::kAny),
    const_param("begin", Accepts::kInteger),
    const_param("end", Accepts::kInteger),
    optional_const("stride", Accepts::kInteger),
    optional_const("begin_mask", Accepts::kBool),
    optional_const("end_mask", Accepts::kBool),
    optional_const("squeeze_mask", Accepts::kBool),
};
constexpr Param kCrop[] = {param("x", Accepts::kAny), const_param("crop_height", Accepts::kInteger),
                           const_param("crop_width", Accepts::kInteger)};
constexpr Param kBySize[] = {param("x", Accepts::kAny), const_param("begin", Accepts::kInteger),
                             const_param("size", Accepts::kInteger)};
constexpr Param kSplit[] = {
    param("x", Accepts::kAny), optional_const("num_splits", Accepts::kInteger),
    optional_const("split_sizes", Accepts::kInteger), const_param("axis", Accepts::kInteger)};
constexpr Param kReverse[] = {param("x", Accepts::kAny), optional_const("axes", Accepts::kInteger)};

std::vector<Range> ranges_by_size(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  const auto begin = per_axis(args, "begin", 0), size = per_axis(args, "size", 0);
  std::vector<Range> ranges;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t first = begin[i] < 0 ? begin[i] + shape[i] : begin[i];
    const int64_t count = size[i] == -1 ? shape[i] - first : size[i];
    args.require(first >= 0 && count > 0 && count <= shape[i] - first,
                 "slice_by_size.c2: {} elements from {} are not in axis {} of size {}", count,
                 begin[i], i, shape[i]);
    ranges.push_back({first, 1, count});
  }
  return ranges;
}

// The last two axes, less what is cut off in front and behind.
std::vector<Range> cropped_ranges(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  args.require(shape.size() >= 3, "crop.c1: x {} has no three axes", to_string(shape));
  std::vector<Range> ranges;
  for (int64_t size : shape) ranges.push_back({0, 1, size});
  const char* names[] = {"crop_height", "crop_width"};
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<int64_t> amounts = args.integers(names[i]);
    Range& range = ranges[shape.size() - 2 + i];
    args.require(amounts.size() == 2 && amounts[0] >= 0 && amounts[1] >= 0 &&
                     amounts[0] + amounts[1] < range.size,
                 "crop.c2: '{}' is not two amounts that leave some of {}", names[i], range.size);
    range.begin = amounts[0];
    range.size -= amounts[0] + amounts[1];
  }
  return ranges;
}

std::vector<Range> ranges_of(const OpArgs& args) {
  const std::string& op = args.op().type;
  if (op == "crop") return cropped_ranges(args);
  return op == "slice_by_size" ? ranges_by_size(args) : ranges_by_index(args);
}

std::vector<Type> infer_slice(const OpArgs& args) {
  Shape shape;
  for (const Range& range : ranges_of(args)) {
    if (!range.squeeze) shape.push_back(range.size);
  }
  return {Type::tensor(args.type("x").dtype, shape)};
}

void copy_ranges(const TensorView& from, const std::vector<Range>& ranges, TensorView to) {
  const Shape strides = row_major_strides(from.shape);
  OffsetTables tables;
  for (size_t i = 0; i < ranges.size(); ++i) {
    tables.push_back(axis_offsets(ranges[i].begin, ranges[i].stride, ranges[i].size, strides[i]));
  }
  copy_by_tables(from, tables, to);
}

void eval_slice(const EvalArgs& args) { copy_ranges(args.in("x"), ranges_of(args), args.out()); }

// `stride` - 1 zeros between neighbours along `axis`.
Value spread(Builder& b, Value value, size_t axis, int64_t stride) {
  Shape shape = value->type.shape;
  const int64_t reach = (shape[axis] - 1) * stride + 1;
  Shape none(shape.size() + 1, 0), after = none;
  after[axis + 1] = stride - 1;
  const Value padded =
      pad_with_zeros(b, b.expand_dims(value, {static_cast<int64_t>(axis) + 1}), none, after);
  shape[axis] *= stride;
  const Value flat = b.reshape(padded, shape);
  shape[axis] = reach;
  return b.slice_by_size(flat, Shape(shape.size(), 0), shape);
}

// Puts dy where it was cut from, zeros elsewhere.
Grads grad_slice(GradArgs& args) {
  Builder& b = args.builder;
  const std::vector<Range> ranges = ranges_of(args);
  const Shape& shape = args.shape("x");
  Shape kept, before, after;
  std::vector<int64_t> reversed;
  for (size_t i = 0; i < ranges.size(); ++i) {
    kept.push_back(ranges[i].size);
    if (ranges[i].stride < 0) reversed.push_back(static_cast<int64_t>(i));
  }
  Value dx = b.reshape(args.doutput(), kept);
  if (!reversed.empty()) dx = b.op("reverse", {{"x", dx}, {"axes", b.integers(reversed)}});
  for (size_t i = 0; i < ranges.size(); ++i) {
    const int64_t last = ranges[i].begin + (ranges[i].size - 1) * ranges[i].stride;
    before.push_back(std::min(ranges[i].begin, last));
    after.push_back(shape[i] - 1 - std::max(ranges[i].begin, last));
    const int64_t step = std::abs(ranges[i].stride);
    if (step > 1 && ranges[i].size > 1) dx = spread(b, dx, i, step);
  }
  return {{args.value("x"), pad_with_zeros(b, dx, before, after)}};
}

// More outputs than any program has.
constexpr int64_t kMaxParts = 65536;

struct Split {
  size_t axis;
  std::vector<int64_t> sizes;
};

Split split_of(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  const size_t axis = args.axis(args.integer("axis"), shape.size(), "split.c1");
  if (args.has("split_sizes")) {
    Split split{axis, args.integers("split_sizes")};
    int64_t total = 0;
    for (int64_t size : split.sizes) {
      args.require(size > 0, "split.c2: size {} is not positive", size);
      total += size;
    }
    args.require(total == shape[axis], "split.c2: the sizes add up to {}, axis {} has {}", total,
                 axis, shape[axis]);
    const auto parts = static_cast<int64_t>(split.sizes.size());
    args.require(args.integer("num_splits", parts) == parts,
                 "split.c3: 'num_splits' is not {}, the number of sizes given", parts);
    return split;
  }
  args.require(args.has("num_splits"), "split.c3: one of 'num_splits' and 'split_sizes' is needed");
  const int64_t parts = args.integer("num_splits");
  args.require(parts > 0 && parts <= kMaxParts && shape[axis] % parts == 0,
               "split.c4: axis {} of size {} has no {} equal parts", axis, shape[axis], parts);
  return {axis, std::vector<int64_t>(static_cast<size_t>(parts), shape[axis] / parts)};
}

std::vector<Type> infer_split(const OpArgs& args) {
  const Split split = split_of(args);
  std::vector<Type> types;
  for (int64_t size : split.sizes) {
    types.push_back(args.type("x"));
    types.back().shape[split.axis] = size;
  }
  return types;
}

void eval_split(const EvalArgs& args) {
  const Split split = split_of(args);
  const TensorView& x = args.in("x");
  std::vector<Range> ranges;
  for (int64_t size : x.shape) ranges.push_back({0, 1, size});
  for (size_t i = 0; i < split.sizes.size(); ++i) {
    ranges[split.axis].size = split.sizes[i];
    copy_ranges(x, ranges, args.out(i));
    ranges[split.axis].begin += split.sizes[i];
  }
}

Grads grad_split(GradArgs& args) {
  Builder& b = args.builder;
  std::vector<Value> parts;
  for (size_t i = 0; i < args.op().outputs.size(); ++i) {
    parts.push_back(args.doutput(i) ? args.doutput(i) : b.full_like(args.output(i), 0));
  }
  return {{args.value("x"), b.concat(parts, args.integer("axis"))}};
}

std::vector<size_t> reversed_axes(const OpArgs& args) {
  const size_t rank = args.shape("x").size();
  if (args.has("axes")) return distinct_axes(args, args.integers("axes"), rank, "reverse.c1");
  std::vector<size_t> all(rank);
  for (size_t i = 0; i < rank; ++i) all[i] = i;
  return all;
}

std::vector<Type> infer_reverse(const OpArgs& args) {
  reversed_axes(args);
  return {args.type("x")};
}

void eval_reverse(const EvalArgs& args) {
  OffsetTables tables = identity_tables(args.in("x").shape);
  for (size_t axis : reversed_axes(args)) std::reverse(tables[axis].begin(), tables[axis].end());
  copy_by_tables(args.in("x"), tables, args.out());
}

Grads grad_reverse(GradArgs& args) {
  Builder& b = args.builder;
  const std::vector<size_t> axes = reversed_axes(args);
  const std::vector<int64_t> numbers(axes.begin(), axes.end());
  return {
      {args.value("x"), b.op("reverse", {{"x", args.doutput()}, {"axes", b.integers(numbers)}})}};
}

const OpDef kOps[] = {
    {.name = "slice_by_index",
     .params = kByIndex,
     .infer = infer_slice,
     .eval = eval_slice,
     .grad = grad_slice,
     .traits = Trait::kSlice},
    {.name = "slice_by_size",
     .params = kBySize,
     .infer = infer_slice,
     .eval = eval_slice,
     .grad = grad_slice,
     .traits = Trait::kSlice},
    {.name = "crop", .params = kCrop, .infer = infer_slice, .eval = eval_slice, .grad = grad_slice},
    {.name = "split",
     .params = kSplit,
     .infer = infer_split,
     .eval = eval_split,
     .grad = grad_split,
     .traits = Trait::kSlice},
    {.name = "reverse",
     .params = kReverse,
     .infer = infer_reverse,
     .eval = eval_reverse,
     .grad = grad_reverse},
};

}  // namespace

std::span<const OpDef> slicing_ops() { return kOps; }

}  // namespace anemone
