// The same elements under another shape, and transpose.
#include <algorithm>
#include <cmath>

#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kReshape[] = {param("x", Accepts::kAny), const_param("shape", Accepts::kInteger)};
constexpr Param kAxes[] = {param("x", Accepts::kAny), const_param("axes", Accepts::kInteger)};
constexpr Param kSqueeze[] = {param("x", Accepts::kAny), optional_const("axes", Accepts::kInteger)};
constexpr Param kTranspose[] = {param("x", Accepts::kAny), const_param("perm", Accepts::kInteger)};
constexpr Param kFlatten[] = {param("x", Accepts::kAny), optional_const("axis", Accepts::kInteger)};

constexpr Param kReshapeLike[] = {
    param("x", Accepts::kAny), tuple_param("ref_tensors", Accepts::kAny),
    tuple_param("begins", Accepts::kInteger), tuple_param("ends", Accepts::kInteger),
    tuple_param("end_masks", Accepts::kBool)};

std::vector<Type> like_x(const OpArgs& args, Shape shape) {
  return {Type::tensor(args.type("x").dtype, std::move(shape))};
}

// Product of the sizes that are written out (not -1), at most `limit` + 1.
int64_t known_count(const Shape& shape, int64_t limit) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size == kUnknownSize) continue;
    if (count > limit / size) return limit + 1;
    count *= size;
  }
  return count;
}

// The size of x that a 0 at `index` of a shape of `rank` sizes stands for: at the same index, where
// the ranks differ (from ios17 on) counted from the right.
int64_t copied_size(const OpArgs& args, size_t index, size_t rank) {
  const Shape& from = args.shape("x");
  args.require(rank == from.size() || args.since(Opset::kIos17),
               "reshape.c2: a size 0 copies x's, but x has rank {} and the shape {}", from.size(),
               rank);
  args.require(rank - index <= from.size(),
               "reshape.c2: the size 0 at index {} copies x's, but x has rank {} and the shape {}",
               index, from.size(), rank);
  return from[from.size() - (rank - index)];
}

std::vector<Type> infer_reshape(const OpArgs& args) {
  const Shape& from = args.shape("x");
  const int64_t total = element_count(from);
  Shape shape = args.integers("shape");
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    args.require(shape[i] >= -1, "reshape.c1: size {} is neither positive, 0 nor -1", shape[i]);
    args.require(shape[i] != -1 || !open, "reshape.c1: more than one size is -1");
    if (shape[i] == -1) open = &shape[i];
    if (shape[i] == 0) shape[i] = copied_size(args, i, shape.size());
  }
  const int64_t known = known_count(shape, total);
  args.require(open ? total % known == 0 && known <= total : known == total,
               "reshape.c3: {} elements of {} do not fit shape {}", total, to_string(from),
               to_string(shape));
  if (open) *open = total / known;
  return like_x(args, shape);
}

// Member `index` of a tuple of constant scalars.
int64_t member(const OpArgs& args, const char* name, size_t index) {
  const std::vector<Operand>& members = args.operands(name);
  const Literal* literal = index < members.size() ? Operation::constant(members[index]) : nullptr;
  args.require(literal && literal->tensor && literal->tensor->size() == 1,
               "reshape_like.c1: member {} of '{}' is not a constant number", index, name);
  const double number = literal->tensor->at(0);
  args.require(std::abs(number) <= 0x1p31, "reshape_like.c1: {} in '{}' is beyond 32 bits", number,
               name);
  return static_cast<int64_t>(number);
}

// The sizes from begin to end of each reference, one after another; ends count as Python's.
std::vector<Type> infer_reshape_like(const OpArgs& args) {
  const std::vector<Operand>& references = args.operands("ref_tensors");
  for (const char* name : {"begins", "ends", "end_masks"}) {
    args.require(args.operands(name).size() == references.size(),
                 "reshape_like.c2: '{}' has {} members for {} references", name,
                 args.operands(name).size(), references.size());
  }
  Shape shape;
  for (size_t i = 0; i < references.size(); ++i) {
    const Shape& from = references[i].type().shape;
    const auto rank = static_cast<int64_t>(from.size());
    const auto place = [&](int64_t at) {
      return std::clamp(at < 0 ? at + rank : at, int64_t{0}, rank);
    };
    const int64_t begin = place(member(args, "begins", i));
    const int64_t end = member(args, "end_masks", i) ? rank : place(member(args, "ends", i));
    if (begin < end) shape.insert(shape.end(), from.begin() + begin, from.begin() + end);
  }
  const int64_t total = element_count(args.shape("x"));
  args.require(known_count(shape, total) == total,
               "reshape_like.c3: {} elements of {} do not fit shape {}", total,
               to_string(args.shape("x")), to_string(shape));
  return like_x(args, shape);
}

std::vector<Type> infer_expand_dims(const OpArgs& args) {
  const std::vector<int64_t> axes = args.integers("axes");
  const Shape& from = args.shape("x");
  const size_t rank = from.size() + axes.size();
  Shape shape(rank, 0);
  for (size_t axis : distinct_axes(args, axes, rank, "expand_dims.c1")) shape[axis] = 1;
  auto next = from.begin();
  for (int64_t& size : shape) {
    if (size == 0) size = *next++;
  }
  return like_x(args, shape);
}

std::vector<Type> infer_squeeze(const OpArgs& args) {
  const Shape& from = args.shape("x");
  Shape shape = from;
  const auto drop = [&](size_t axis) { shape[axis] = 0; };
  if (args.has("axes")) {
    for (size_t axis : distinct_axes(args, args.integers("axes"), from.size(), "squeeze.c1")) {
      args.require(from[axis] == 1, "squeeze.c2: axis {} of {} is not of size 1", axis,
                   to_string(from));
      drop(axis);
    }
  } else {
    for (size_t axis = 0; axis < from.size(); ++axis) {
      if (from[axis] == 1) drop(axis);
    }
  }
  std::erase(shape, 0);
  return like_x(args, shape);
}

std::vector<Type> infer_flatten(const OpArgs& args) {
  const Shape& from = args.shape("x");
  const auto rank = static_cast<int64_t>(from.size());
  int64_t axis = args.integer("axis", 1);
  args.require(axis >= -rank && axis <= rank, "flatten2d.c1: axis {} is outside rank {}", axis,
               rank);
  if (axis < 0) axis += rank;
  const auto middle = from.begin() + axis;
  return like_x(
      args, {element_count(Shape(from.begin(), middle)), element_count(Shape(middle, from.end()))});
}

std::vector<size_t> permutation(const OpArgs& args) {
  const std::vector<int64_t> perm = args.integers("perm");
  const size_t rank = args.shape("x").size();
  args.require(perm.size() == rank, "transpose.c1: {} axes are given for rank {}", perm.size(),
               rank);
  return distinct_axes(args, perm, rank, "transpose.c1");
}

std::vector<Type> infer_transpose(const OpArgs& args) {
  Shape shape;
  for (size_t axis : permutation(args)) shape.push_back(args.shape("x")[axis]);
  return like_x(args, shape);
}

void eval_transpose(const EvalArgs& args) {
  const OffsetTables of_x = identity_tables(args.in("x").shape);
  OffsetTables tables;
  for (size_t axis : permutation(args)) tables.push_back(of_x[axis]);
  copy_by_tables(args.in("x"), tables, args.out());
}

Grads grad_transpose(GradArgs& args) {
  const std::vector<size_t> perm = permutation(args);
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) inverse[perm[i]] = static_cast<int64_t>(i);
  return {{args.value("x"), args.builder.transpose(args.doutput(), inverse)}};
}

void eval_copy(const EvalArgs& args) {
  convert({args.in("x").dtype, args.out().shape, args.in("x").data}, args.out());
}

Grads grad_copy(GradArgs& args) {
  return {{args.value("x"), args.builder.reshape(args.doutput(), args.shape("x"))}};
}

const OpDef kOps[] = {
    {.name = "reshape",
     .params = kReshape,
     .infer = infer_reshape,
     .eval = eval_copy,
     .grad = grad_copy,
     .traits = Trait::kView},
    {.name = "reshape_like",
     .params = kReshapeLike,
     .infer = infer_reshape_like,
     .eval = eval_copy,
     .grad = grad_copy,
     .since = Opset::kIos16,
     .traits = Trait::kView},
    {.name = "expand_dims",
     .params = kAxes,
     .infer = infer_expand_dims,
     .eval = eval_copy,
     .grad = grad_copy,
     .traits = Trait::kView},
    {.name = "squeeze",
     .params = kSqueeze,
     .infer = infer_squeeze,
     .eval = eval_copy,
     .grad = grad_copy,
     .traits = Trait::kView},
    {.name = "flatten2d",
     .params = kFlatten,
     .infer = infer_flatten,
     .eval = eval_copy,
     .grad = grad_copy,
     .traits = Trait::kView},
    {.name = "transpose",
     .params = kTranspose,
     .infer = infer_transpose,
     .eval = eval_transpose,
     .grad = grad_transpose},
};

}  // namespace

std::span<const OpDef> shape_ops() { return kOps; }

}  // namespace anemone
