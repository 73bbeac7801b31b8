// Larger tensors from smaller ones: concat, stack, tile, pad.
#include <cstring>

#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kConcat[] = {tuple_param("values", Accepts::kAny),
                             const_param("axis", Accepts::kInteger),
                             optional_const("interleave", Accepts::kBool)};
constexpr Param kStack[] = {tuple_param("values", Accepts::kAny),
                            const_param("axis", Accepts::kInteger)};
constexpr Param kTile[] = {param("x", Accepts::kAny), const_param("reps", Accepts::kInteger)};
constexpr Param kPad[] = {param("x", Accepts::kAny), const_param("pad", Accepts::kInteger),
                          optional_const("mode", Accepts::kString),
                          optional_const("constant_val", Accepts::kAny)};

const Type& value_type(const OpArgs& args, size_t index) {
  return args.operands("values")[index].type();
}

size_t concat_axis(const OpArgs& args) {
  return args.axis(args.integer("axis"), value_type(args, 0).rank(), "concat.c1");
}

size_t stack_axis(const OpArgs& args) {
  return args.axis(args.integer("axis"), value_type(args, 0).rank() + 1, "stack.c1");
}

std::vector<Type> infer_concat(const OpArgs& args) {
  const Type& first = value_type(args, 0);
  const size_t axis = concat_axis(args);
  const bool interleave = args.boolean("interleave", false);
  Type result = first;
  for (size_t i = 1; i < args.operands("values").size(); ++i) {
    const Type& type = value_type(args, i);
    args.require(type.dtype == first.dtype, "concat.c2: value {} is {}, the first is {}", i,
                 name(type.dtype), name(first.dtype));
    bool fits = type.rank() == first.rank();
    for (size_t j = 0; fits && j < type.rank(); ++j) {
      fits = type.shape[j] == first.shape[j] || (j == axis && !interleave);
    }
    args.require(fits, "concat.c3: value {} of shape {} does not fit {} along axis {}", i,
                 to_string(type.shape), to_string(first.shape), axis);
    result.shape[axis] += type.shape[axis];
  }
  return {result};
}

std::vector<Type> infer_stack(const OpArgs& args) {
  const Type& first = value_type(args, 0);
  const size_t axis = stack_axis(args);
  const size_t count = args.operands("values").size();
  for (size_t i = 1; i < count; ++i) {
    args.require(value_type(args, i) == first, "stack.c2: value {} is {}, the first is {}", i,
                 to_string(value_type(args, i)), to_string(first));
  }
  Type result = first;
  result.shape.insert(result.shape.begin() + static_cast<int64_t>(axis),
                      static_cast<int64_t>(count));
  return {result};
}

// Copies [outer, size, inner] of `from` to indices start, start + step, … of `to`'s axis.
void place(const TensorView& from, AxisSplit part, const TensorView& to, int64_t axis_size,
           int64_t start, int64_t step) {
  const size_t bytes = byte_size(from.dtype, part.inner);
  const auto* source = static_cast<const char*>(from.data);
  auto* target = static_cast<char*>(to.data);
  for (int64_t outer = 0; outer < part.outer; ++outer) {
    for (int64_t i = 0; i < part.size; ++i, source += bytes) {
      const auto row = static_cast<size_t>(outer * axis_size + start + i * step);
      std::memcpy(target + row * bytes, source, bytes);
    }
  }
}

void eval_concat(const EvalArgs& args) {
  const size_t axis = concat_axis(args);
  const auto parts = args.tuple("values");
  const bool interleave = args.boolean("interleave", false);
  int64_t start = 0;
  for (const TensorView& part : parts) {
    const AxisSplit split = split_at(part.shape, axis);
    place(part, split, args.out(), args.out().shape[axis], start,
          interleave ? static_cast<int64_t>(parts.size()) : 1);
    start += interleave ? 1 : split.size;
  }
}

void eval_stack(const EvalArgs& args) {
  const size_t axis = stack_axis(args);
  const AxisSplit whole = split_at(args.out().shape, axis);
  int64_t start = 0;
  for (const TensorView& part : args.tuple("values")) {
    place(part, {whole.outer, 1, whole.inner}, args.out(), whole.size, start++, 1);
  }
}

// Hands part i of `parts` to value i, in its shape.
Grads distribute(GradArgs& args, const std::vector<Value>& parts) {
  Grads grads;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Value value = args.operands("values")[i].value;
    if (!args.active->contains(value)) continue;
    grads.emplace_back(value, args.builder.reshape(parts[i], value->type.shape));
  }
  return grads;
}

Grads grad_concat(GradArgs& args) {
  Builder& b = args.builder;
  const size_t axis = concat_axis(args);
  const size_t count = args.operands("values").size();
  std::vector<int64_t> sizes;
  Value whole = args.doutput();
  auto split_axis = static_cast<int64_t>(axis);
  if (args.boolean("interleave", false)) {  // [.., size * count, ..] is [.., size, count, ..]
    Shape shape = value_type(args, 0).shape;
    shape.insert(shape.begin() + ++split_axis, static_cast<int64_t>(count));
    whole = b.reshape(whole, shape);
    sizes.assign(count, 1);
  } else {
    for (size_t i = 0; i < count; ++i) sizes.push_back(value_type(args, i).shape[axis]);
  }
  return distribute(args, b.split(whole, sizes, split_axis));
}

Grads grad_stack(GradArgs& args) {
  const std::vector<int64_t> ones(args.operands("values").size(), 1);
  return distribute(
      args, args.builder.split(args.doutput(), ones, static_cast<int64_t>(stack_axis(args))));
}

std::vector<Type> infer_tile(const OpArgs& args) {
  const std::vector<int64_t> reps = args.integers("reps");
  Type result = args.type("x");
  args.require(reps.size() == result.rank(), "tile.c1: {} repetitions are given for rank {}",
               reps.size(), result.rank());
  for (size_t i = 0; i < reps.size(); ++i) {
    args.require(reps[i] > 0, "tile.c2: repetition {} is not positive", reps[i]);
    result.shape[i] *= reps[i];
  }
  return {result};
}

void eval_tile(const EvalArgs& args) {
  OffsetTables tables = identity_tables(args.in("x").shape);
  for (size_t axis = 0; axis < tables.size(); ++axis) {
    auto& table = tables[axis];
    const size_t size = table.size();
    table.resize(static_cast<size_t>(args.out().shape[axis]));
    for (size_t i = size; i < table.size(); ++i) table[i] = table[i - size];
  }
  copy_by_tables(args.in("x"), tables, args.out());
}

// Repetitions become axes of their own and are summed.
Grads grad_tile(GradArgs& args) {
  Builder& b = args.builder;
  const std::vector<int64_t> reps = args.integers("reps");
  const Shape& shape = args.shape("x");
  Shape unfolded;
  std::vector<int64_t> summed;
  for (size_t i = 0; i < reps.size(); ++i) {
    if (reps[i] > 1) {
      summed.push_back(static_cast<int64_t>(unfolded.size()));
      unfolded.push_back(reps[i]);
    }
    if (reps[i] == 1 || shape[i] > 1) unfolded.push_back(shape[i]);
  }
  Value dx = b.reshape(args.doutput(), unfolded);
  if (!summed.empty()) dx = b.reduce_sum(dx, summed, false);
  return {{args.value("x"), b.reshape(dx, shape)}};
}

enum class PadMode { kConstant, kReflect, kReplicate };

struct Padding {
  PadMode mode;
  Shape before, after;  // for every axis
};

PadMode pad_mode(const OpArgs& args) {
  const std::string mode = args.text("mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  args.require(mode == "replicate", "pad.c3: mode '{}' is not constant, reflect or replicate",
               mode);
  return PadMode::kReplicate;
}

Padding padding_of(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  const std::vector<int64_t> amounts = args.integers("pad");
  args.require(amounts.size() % 2 == 0 && amounts.size() <= 2 * shape.size(),
               "pad.c1: {} amounts do not make pairs for the last of {} axes", amounts.size(),
               shape.size());
  Padding padding{pad_mode(args), Shape(shape.size(), 0), Shape(shape.size(), 0)};
  const size_t first = shape.size() - amounts.size() / 2;
  for (size_t i = 0; i < amounts.size(); ++i) {
    const size_t axis = first + i / 2;
    args.require(amounts[i] >= 0, "pad.c2: amount {} is negative", amounts[i]);
    args.require(padding.mode != PadMode::kReflect || amounts[i] < shape[axis],
                 "pad.c4: {} elements cannot be reflected in axis {} of size {}", amounts[i], axis,
                 shape[axis]);
    (i % 2 == 0 ? padding.before : padding.after)[axis] = amounts[i];
  }
  return padding;
}

std::vector<Type> infer_pad(const OpArgs& args) {
  const Padding padding = padding_of(args);
  Type result = args.type("x");
  for (size_t i = 0; i < result.rank(); ++i) {
    result.shape[i] += padding.before[i] + padding.after[i];
  }
  args.require(!args.has("constant_val") || args.type("constant_val").dtype == result.dtype,
               "pad.c5: 'constant_val' is not of x's type {}", name(result.dtype));
  args.number("constant_val", 0.0);
  return {result};
}

// The index of x that is read at `index` counted from x's first, or kSkip.
int64_t source_index(PadMode mode, int64_t index, int64_t size) {
  if (index >= 0 && index < size) return index;
  if (mode == PadMode::kConstant) return kSkip;
  if (mode == PadMode::kReplicate) return index < 0 ? 0 : size - 1;
  return index < 0 ? -index : 2 * (size - 1) - index;
}

void eval_pad(const EvalArgs& args) {
  const Padding padding = padding_of(args);
  const TensorView &x = args.in("x"), &out = args.out();
  if (padding.mode == PadMode::kConstant) {
    const double value = args.number("constant_val", 0.0);
    for (int64_t i = 0; i < out.size(); ++i) out.set(i, value);
  }
  const Shape strides = row_major_strides(x.shape);
  OffsetTables tables(x.shape.size());
  for (size_t axis = 0; axis < tables.size(); ++axis) {
    for (int64_t i = 0; i < out.shape[axis]; ++i) {
      const int64_t from = source_index(padding.mode, i - padding.before[axis], x.shape[axis]);
      tables[axis].push_back(from == kSkip ? kSkip : from * strides[axis]);
    }
  }
  copy_by_tables(x, tables, out);
}

// `count` indices from `begin` of one axis.
Value slice_axis(Builder& b, Value value, size_t axis, int64_t begin, int64_t count) {
  Shape begins(value->type.rank(), 0), sizes = value->type.shape;
  begins[axis] = begin;
  sizes[axis] = count;
  return b.slice_by_size(value, begins, sizes);
}

// What one padded border of `axis` adds to the gradient: it is folded back and put in its place.
Value fold_border(Builder& b, Value border, PadMode mode, size_t axis, int64_t size, bool front) {
  const auto number = static_cast<int64_t>(axis);
  const int64_t count = mode == PadMode::kReplicate ? 1 : border->type.shape[axis];
  const Value folded = mode == PadMode::kReplicate
                           ? b.reduce_sum(border, {number}, true)
                           : b.op("reverse", {{"x", border}, {"axes", b.integers({number})}});
  const int64_t edge = mode == PadMode::kReflect ? 1 : 0;  // reflection leaves the edge out
  Shape before(border->type.rank(), 0), after = before;
  before[axis] = front ? edge : size - edge - count;
  after[axis] = size - count - before[axis];
  return pad_with_zeros(b, folded, before, after);
}

Grads grad_pad(GradArgs& args) {
  Builder& b = args.builder;
  const Padding padding = padding_of(args);
  const Shape& shape = args.shape("x");
  Value dx = args.doutput();
  if (padding.mode == PadMode::kConstant) {
    return {{args.value("x"), b.slice_by_size(dx, padding.before, shape)}};
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t before = padding.before[axis], after = padding.after[axis], size = shape[axis];
    if (before + after == 0) continue;
    Value sum = slice_axis(b, dx, axis, before, size);
    if (before > 0) {
      const Value border = slice_axis(b, dx, axis, 0, before);
      sum = b.add(sum, fold_border(b, border, padding.mode, axis, size, true));
    }
    if (after > 0) {
      const Value border = slice_axis(b, dx, axis, before + size, after);
      sum = b.add(sum, fold_border(b, border, padding.mode, axis, size, false));
    }
    dx = sum;
  }
  return {{args.value("x"), dx}};
}

const OpDef kOps[] = {
    {.name = "concat",
     .params = kConcat,
     .infer = infer_concat,
     .eval = eval_concat,
     .grad = grad_concat},
    {.name = "stack",
     .params = kStack,
     .infer = infer_stack,
     .eval = eval_stack,
     .grad = grad_stack},
    {.name = "tile", .params = kTile, .infer = infer_tile, .eval = eval_tile, .grad = grad_tile},
    {.name = "pad", .params = kPad, .infer = infer_pad, .eval = eval_pad, .grad = grad_pad},
};

}  // namespace

std::span<const OpDef> joining_ops() { return kOps; }

}  // namespace anemone
