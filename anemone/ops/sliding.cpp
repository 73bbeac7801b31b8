// Parts of a sequence: sliding_windows and reverse_sequence.
#include <cstring>

#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"

namespace anemone {
namespace {

constexpr Param kWindows[] = {param("x", Accepts::kAny), const_param("axis", Accepts::kInteger),
                              const_param("size", Accepts::kInteger),
                              optional_const("stride", Accepts::kInteger)};
constexpr Param kReverse[] = {param("x", Accepts::kAny), param("lengths", Accepts::kInteger),
                              optional_const("seq_axis", Accepts::kInteger),
                              optional_const("batch_axis", Accepts::kInteger)};

struct Windows {
  size_t axis = 0;
  int64_t count = 0, size = 0, stride = 1;
};

Windows windows_of(const OpArgs& args) {
  const Shape& x = args.shape("x");
  Windows w;
  w.axis = args.axis(args.integer("axis"), x.size(), "sliding_windows.c1");
  w.size = args.integer("size");
  w.stride = args.integer("stride", 1);
  args.require(w.stride > 0, "sliding_windows.c2: stride {} is not positive", w.stride);
  args.require(w.size > 0 && w.size <= x[w.axis],
               "sliding_windows.c3: windows of {} do not fit in axis {} of size {}", w.size, w.axis,
               x[w.axis]);
  w.count = (x[w.axis] - w.size) / w.stride + 1;
  return w;
}

Shape windows_shape(const OpArgs& args, const Windows& w) {
  Shape shape = args.shape("x");
  shape[w.axis] = w.count;
  shape.insert(shape.begin() + static_cast<int64_t>(w.axis) + 1, w.size);
  return shape;
}

std::vector<Type> infer_windows(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, windows_shape(args, windows_of(args)))};
}

void eval_windows(const EvalArgs& args) {
  const Windows w = windows_of(args);
  const TensorView& x = args.in("x");
  const int64_t step = row_major_strides(x.shape)[w.axis];
  OffsetTables tables = identity_tables(x.shape);
  tables[w.axis] = axis_offsets(0, w.stride, w.count, step);
  tables.insert(tables.begin() + static_cast<int64_t>(w.axis) + 1,
                axis_offsets(0, 1, w.size, step));
  copy_by_tables(x, tables, args.out());
}

// Element by element of the windows, what each gives back is added up where it lay.
Grads grad_windows(GradArgs& args) {
  Builder& b = args.builder;
  const Windows w = windows_of(args);
  const Value x = args.value("x");
  std::vector<int64_t> places;
  for (int64_t i = 0; i < w.count; ++i) {
    for (int64_t j = 0; j < w.size; ++j) places.push_back(i * w.stride + j);
  }
  Shape flat = x->type.shape;
  flat[w.axis] = w.count * w.size;
  return {{x, scatter(b, "scatter", b.full_like(x, 0), b.integers(places),
                      b.reshape(args.doutput(), flat), static_cast<int64_t>(w.axis), "add")}};
}

struct Sequence {
  size_t axis = 0, batch = 0;
};

Sequence sequence_of(const OpArgs& args) {
  const Shape& x = args.shape("x");
  const Sequence s{args.axis(args.integer("seq_axis", 0), x.size(), "reverse_sequence.c1"),
                   args.axis(args.integer("batch_axis", 0), x.size(), "reverse_sequence.c1")};
  args.require(s.axis != s.batch, "reverse_sequence.c2: seq_axis and batch_axis are both {}",
               s.axis);
  args.require(args.shape("lengths") == Shape{x[s.batch]},
               "reverse_sequence.c3: lengths {} are not [{}], the size of axis {}",
               to_string(args.shape("lengths")), x[s.batch], s.batch);
  return s;
}

std::vector<Type> infer_reverse(const OpArgs& args) {
  sequence_of(args);
  return {args.type("x")};
}

int64_t length_at(const EvalArgs& args, int64_t position, int64_t size) {
  const double length = args.in("lengths").at(position);
  args.require(length >= 0 && length <= static_cast<double>(size),
               "reverse_sequence.c4: length {} at position {} is not from 0 to {}", length,
               position, size);
  return static_cast<int64_t>(length);
}

void eval_reverse(const EvalArgs& args) {
  const Sequence s = sequence_of(args);
  const TensorView& x = args.in("x");
  const Shape strides = row_major_strides(x.shape);
  const int64_t size = x.shape[s.axis], batches = x.shape[s.batch];
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < batches; ++i) lengths.push_back(length_at(args, i, size));
  const auto bytes = static_cast<size_t>(bits(x.dtype)) / 8;
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(args.out().data);
  for (int64_t i = 0; i < x.size(); ++i, to += bytes) {
    const int64_t at = i / strides[s.axis] % size;
    const int64_t length = lengths[static_cast<size_t>(i / strides[s.batch] % batches)];
    const int64_t shift = at < length ? length - 1 - 2 * at : 0;
    std::memcpy(to, from + static_cast<size_t>(i + shift * strides[s.axis]) * bytes, bytes);
  }
}

Grads grad_reverse(GradArgs& args) {
  Builder& b = args.builder;
  const Sequence s = sequence_of(args);
  return {{args.value("x"),
           b.op("reverse_sequence", {{"x", args.doutput()},
                                     {"lengths", args.value("lengths")},
                                     {"seq_axis", b.integer(static_cast<int64_t>(s.axis))},
                                     {"batch_axis", b.integer(static_cast<int64_t>(s.batch))}})}};
}

const OpDef kOps[] = {
    {.name = "sliding_windows",
     .params = kWindows,
     .infer = infer_windows,
     .eval = eval_windows,
     .grad = grad_windows},
    {.name = "reverse_sequence",
     .params = kReverse,
     .infer = infer_reverse,
     .eval = eval_reverse,
     .grad = grad_reverse},
};

}  // namespace

std::span<const OpDef> sliding_ops() { return kOps; }

}  // namespace anemone
