// Writing by index: scatter, scatter_along_axis and scatter_nd.
#include <algorithm>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/indexing.h"

namespace anemone {
namespace {

constexpr Param kScatter[] = {
    param("data", Accepts::kNumber),          param("indices", Accepts::kInteger),
    param("updates", Accepts::kNumber),       optional_const("axis", Accepts::kInteger),
    optional_const("mode", Accepts::kString), optional_const("validate_indices", Accepts::kBool)};

constexpr Param kScatterNd[] = {
    param("data", Accepts::kNumber), param("indices", Accepts::kInteger),
    param("updates", Accepts::kNumber), optional_const("mode", Accepts::kString),
    optional_const("validate_indices", Accepts::kBool)};

enum class Mode { kAdd, kSub, kMul, kDiv, kMin, kMax, kUpdate };

Mode mode_of(const OpArgs& args) {
  static constexpr std::pair<std::string_view, Mode> kModes[] = {
      {"add", Mode::kAdd}, {"sub", Mode::kSub}, {"mul", Mode::kMul},      {"div", Mode::kDiv},
      {"min", Mode::kMin}, {"max", Mode::kMax}, {"update", Mode::kUpdate}};
  const std::string text = args.text("mode", "add");
  for (const auto& [name, mode] : kModes) {
    if (name == text) return mode;
  }
  args.refuse(fmt::format("{}.c3: mode '{}' is not add, sub, mul, div, min, max or update",
                          args.op().type, text));
}

size_t axis_of(const OpArgs& args) {
  return args.axis(args.integer("axis", 0), args.shape("data").size(), args.op().type + ".c1");
}

bool is_along_axis(const OpArgs& args) { return args.op().type == "scatter_along_axis"; }

bool shapes_fit(const OpArgs& args, size_t axis) {
  const Shape &data = args.shape("data"), &indices = args.shape("indices");
  const Shape& updates = args.shape("updates");
  if (!equal_off_axis(data, updates, axis)) return false;
  return is_along_axis(args) ? indices == updates : indices == Shape{updates[axis]};
}

std::vector<Type> infer(const OpArgs& args) {
  const size_t axis = axis_of(args);
  const std::string& op = args.op().type;
  args.require(shapes_fit(args, axis),
               "{}.c2: data {}, indices {} and updates {} do not fit along axis {}", op,
               to_string(args.shape("data")), to_string(args.shape("indices")),
               to_string(args.shape("updates")), axis);
  mode_of(args);
  args.require(args.type("data").dtype == args.type("updates").dtype,
               "{}.c4: data is {} and updates {}", op, name(args.type("data").dtype),
               name(args.type("updates").dtype));
  return {args.type("data")};
}

double combine(Mode mode, double old, double update) {
  switch (mode) {
    case Mode::kAdd:
      return old + update;
    case Mode::kSub:
      return old - update;
    case Mode::kMul:
      return old * update;
    case Mode::kDiv:
      return old / update;
    case Mode::kMin:
      return minimum(old, update);
    case Mode::kMax:
      return maximum(old, update);
    case Mode::kUpdate:
      break;
  }
  return update;
}

// What a T holds of a result: integers are truncated and wrap.
template <typename T>
double stored(double value) {
  if constexpr (std::is_integral_v<T>) return static_cast<double>(wrap_to<T>(value));
  if constexpr (!std::is_integral_v<T>) return value;
}

// Updates in order, carried in fp64.
template <typename T>
void scatter_numbers(const EvalArgs& args) {
  const size_t axis = axis_of(args);
  const Mode mode = mode_of(args);
  const std::string rule = args.op().type + ".c5";
  const TensorView& indices = args.in("indices");
  const AxisSplit split = split_at(args.in("data").shape, axis);
  const auto data = args.in("data").as<T>(), updates = args.in("updates").as<T>();
  const int64_t picks = args.in("updates").shape[axis];
  std::vector<double> result(data.begin(), data.end());
  for (int64_t i = 0; i < static_cast<int64_t>(updates.size()); ++i) {
    const int64_t inner = i % split.inner, outer = i / (picks * split.inner);
    const int64_t position = is_along_axis(args) ? i : i / split.inner % picks;
    const int64_t index = checked_index(args, indices, position, split.size, rule);
    double& target =
        result[static_cast<size_t>((outer * split.size + index) * split.inner + inner)];
    target = stored<T>(combine(mode, target, static_cast<double>(updates[static_cast<size_t>(i)])));
  }
  const auto out = args.out().as<T>();
  for (size_t i = 0; i < result.size(); ++i) out[i] = static_cast<T>(result[i]);
}

void eval(const EvalArgs& args) {
  with_number(args.out().dtype, [&](auto type) { scatter_numbers<decltype(type)>(args); });
}

Mode linear_mode(const OpArgs& args) {
  const Mode mode = mode_of(args);
  args.require(mode == Mode::kAdd || mode == Mode::kSub || mode == Mode::kUpdate,
               "{} with mode {} has no gradient", args.op().type, args.text("mode", "add"));
  return mode;
}

// For add, sub and update; with update, equal indices would need the one that came last.
Grads grad(GradArgs& args) {
  Builder& b = args.builder;
  const Mode mode = linear_mode(args);
  const auto axis = static_cast<int64_t>(axis_of(args));
  const Value g = args.doutput(), indices = args.value("indices");
  Grads grads;
  if (args.wants("data")) {
    const Value kept =
        mode != Mode::kUpdate
            ? g
            : scatter(b, args.op().type, g, indices,
                      b.fill(g->type.dtype, args.shape("updates"), 0), axis, "update");
    grads.emplace_back(args.value("data"), kept);
  }
  if (args.wants("updates")) {
    const Value picked =
        gather(b, is_along_axis(args) ? "gather_along_axis" : "gather", g, indices, axis);
    grads.emplace_back(args.value("updates"), mode == Mode::kSub ? b.mul(picked, -1.0) : picked);
  }
  return grads;
}

// The axes of data that an index of scatter_nd picks from; what is behind them is one update.
Shape picked_axes(const OpArgs& args) {
  const Shape &data = args.shape("data"), &indices = args.shape("indices");
  return Shape(data.begin(), data.begin() + indices.back());
}

std::vector<Type> infer_nd(const OpArgs& args) {
  const Shape &data = args.shape("data"), &indices = args.shape("indices");
  args.require(!indices.empty() && indices.back() <= static_cast<int64_t>(data.size()),
               "scatter_nd.c1: the last axis of indices {} is longer than the rank of data {}",
               to_string(indices), to_string(data));
  Shape updates(indices.begin(), indices.end() - 1);
  updates.insert(updates.end(), data.begin() + indices.back(), data.end());
  args.require(args.shape("updates") == updates, "scatter_nd.c2: updates are {}, not {}",
               to_string(args.shape("updates")), to_string(updates));
  mode_of(args);
  args.require(args.type("data").dtype == args.type("updates").dtype,
               "scatter_nd.c4: data is {} and updates {}", name(args.type("data").dtype),
               name(args.type("updates").dtype));
  return {args.type("data")};
}

void eval_nd(const EvalArgs& args) {
  const Mode mode = mode_of(args);
  const Shape picked = picked_axes(args);
  const TensorView& indices = args.in("indices");
  const int64_t inner = element_count(args.in("data").shape) / element_count(picked);
  with_number(args.out().dtype, [&](auto type) {
    using T = decltype(type);
    const auto data = args.in("data").as<T>(), updates = args.in("updates").as<T>();
    std::vector<double> result(data.begin(), data.end());
    for (int64_t i = 0; i < static_cast<int64_t>(updates.size()); ++i) {
      const int64_t row = checked_place(args, indices, i / inner, picked, "scatter_nd.c5");
      double& target = result[static_cast<size_t>(row * inner + i % inner)];
      target =
          stored<T>(combine(mode, target, static_cast<double>(updates[static_cast<size_t>(i)])));
    }
    const auto out = args.out().as<T>();
    for (size_t i = 0; i < result.size(); ++i) out[i] = static_cast<T>(result[i]);
  });
}

Grads grad_nd(GradArgs& args) {
  Builder& b = args.builder;
  const Mode mode = linear_mode(args);
  const Value g = args.doutput(), indices = args.value("indices");
  Grads grads;
  if (args.wants("data")) {
    const Value zeros = b.fill(g->type.dtype, args.shape("updates"), 0);
    grads.emplace_back(args.value("data"),
                       mode == Mode::kUpdate ? scatter_nd(b, g, indices, zeros, "update") : g);
  }
  if (args.wants("updates")) {
    const Value picked = b.op("gather_nd", {{"x", g}, {"indices", indices}});
    grads.emplace_back(args.value("updates"), mode == Mode::kSub ? b.mul(picked, -1.0) : picked);
  }
  return grads;
}

double one_flop_an_update(const OpArgs& args) {
  return static_cast<double>(element_count(args.shape("updates")));
}

const OpDef kOps[] = {
    {.name = "scatter",
     .params = kScatter,
     .infer = infer,
     .eval = eval,
     .grad = grad,
     .flops = one_flop_an_update},
    {.name = "scatter_along_axis",
     .params = kScatter,
     .infer = infer,
     .eval = eval,
     .grad = grad,
     .flops = one_flop_an_update},
    {.name = "scatter_nd",
     .params = kScatterNd,
     .infer = infer_nd,
     .eval = eval_nd,
     .grad = grad_nd,
     .flops = one_flop_an_update},
};

}  // namespace

std::span<const OpDef> scatter_ops() { return kOps; }

}  // namespace anemone
