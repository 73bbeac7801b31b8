// slice_update: a slice of a tensor that is replaced.
#include <cmath>

#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"
#include "anemone/ops/slicing.h"

namespace anemone {
namespace {

constexpr Param kUpdate[] = {
    param("x", Accepts::kAny),
    param("update", Accepts::kAny),
    param("begin", Accepts::kInteger),
    param("end", Accepts::kInteger),
    optional_param("stride", Accepts::kInteger),
    optional_const("begin_mask", Accepts::kBool),
    optional_const("end_mask", Accepts::kBool),
    optional_const("squeeze_mask", Accepts::kBool),
};

// Numbers of a parameter that the program may compute; checked as per_axis() does.
std::vector<int64_t> computed(const EvalArgs& args, std::string_view name, int64_t fallback) {
  const size_t rank = args.shape("x").size();
  if (!args.has(name)) return std::vector<int64_t>(rank, fallback);
  std::vector<int64_t> numbers;
  const TensorView& view = args.in(name);
  for (int64_t i = 0; i < view.size(); ++i) {
    const double number = view.at(i);
    args.require(std::abs(number) <= 0x1p31, "slice_update.c1: {} in '{}' is beyond 32 bits",
                 number, name);
    numbers.push_back(static_cast<int64_t>(number));
  }
  return numbers;
}

std::vector<Range> updated_ranges(const EvalArgs& args) {
  return ranges_of_slice(args, {computed(args, "begin", 0), computed(args, "end", 0),
                                computed(args, "stride", 1), per_axis(args, "squeeze_mask", 0),
                                per_axis(args, "begin_mask", 0), per_axis(args, "end_mask", 0)});
}

void require_update(const OpArgs& args, const std::vector<Range>& ranges) {
  Shape shape;
  for (const Range& range : ranges) {
    if (!range.squeeze) shape.push_back(range.size);
  }
  args.require(args.shape("update") == shape, "slice_update.c5: update {} is put into a slice {}",
               to_string(args.shape("update")), to_string(shape));
}

bool is_constant_slice(const OpArgs& args) {
  for (const char* name : {"begin", "end", "stride"}) {
    if (args.has(name) && !Operation::constant(args.operand(name))) return false;
  }
  return true;
}

// Where a slice is may be computed while the program runs; then its shape is checked there.
std::vector<Type> infer_update(const OpArgs& args) {
  const Type &x = args.type("x"), &update = args.type("update");
  args.require(x.dtype == update.dtype, "slice_update.c6: x is {} and update {}", name(x.dtype),
               name(update.dtype));
  args.require(update.rank() > 0, "slice_update.c7: update is a scalar");
  for (const char* name : {"begin", "end", "stride"}) {
    args.require(!args.has(name) || args.shape(name) == Shape{static_cast<int64_t>(x.rank())},
                 "slice_update.c1: '{}' is not [{}]", name, x.rank());
  }
  for (const char* name : {"begin_mask", "end_mask", "squeeze_mask"}) per_axis(args, name, 0);
  if (is_constant_slice(args)) require_update(args, ranges_by_index(args));
  return {x};
}

void eval_update(const EvalArgs& args) {
  const std::vector<Range> ranges = updated_ranges(args);
  require_update(args, ranges);
  const TensorView& out = args.out();
  convert(args.in("x"), out);
  const Shape strides = row_major_strides(out.shape);
  OffsetTables tables;
  Shape kept;
  for (size_t i = 0; i < ranges.size(); ++i) {
    tables.push_back(axis_offsets(ranges[i].begin, ranges[i].stride, ranges[i].size, strides[i]));
    kept.push_back(ranges[i].size);
  }
  const TensorView& update = args.in("update");
  put_by_tables({update.dtype, kept, update.data}, tables, out);
}

// The parameters that say where, for an operation with the same slice.
std::vector<Argument> slice_arguments(GradArgs& args) {
  std::vector<Argument> arguments;
  for (const char* name : {"begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask"}) {
    if (args.has(name)) arguments.push_back({name, args.value(name)});
  }
  return arguments;
}

// x gets what is outside of the slice, update what is inside.
Grads grad_update(GradArgs& args) {
  Builder& b = args.builder;
  Grads grads;
  if (args.wants("x")) {
    std::vector<Argument> arguments = slice_arguments(args);
    arguments.push_back({"x", args.doutput()});
    arguments.push_back({"update", b.full_like(args.value("update"), 0)});
    grads.emplace_back(args.value("x"), b.op("slice_update", std::move(arguments)));
  }
  if (args.wants("update")) {
    args.require(is_constant_slice(args),
                 "slice_update has no gradient of update where the slice is computed");
    std::vector<Argument> arguments = slice_arguments(args);
    arguments.push_back({"x", args.doutput()});
    grads.emplace_back(args.value("update"), b.op("slice_by_index", std::move(arguments)));
  }
  return grads;
}

const OpDef kOps[] = {
    {.name = "slice_update",
     .params = kUpdate,
     .infer = infer_update,
     .eval = eval_update,
     .grad = grad_update,
     .since = Opset::kIos18},
};

}  // namespace

std::span<const OpDef> slice_update_ops() { return kOps; }

}  // namespace anemone
