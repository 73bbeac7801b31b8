// Comparisons, select and what else makes or reads bools: what gradients of activations are made
// of. Operands have the shape of the result, or one number.
#include <functional>

#include "anemone/devices/cpu/kernels/families.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 8192;

// How far an operand goes from one element of the result to the next: 1, or 0 for a single number;
// nothing where it is broadcast otherwise.
std::optional<size_t> step_of(const OpArgs& args, const char* name) {
  const Shape& shape = args.shape(name);
  if (shape == args.op().outputs[0]->type.shape) return 1;
  return element_count(shape) == 1 ? std::optional<size_t>(0) : std::nullopt;
}

// Runs loop(out, x, n) on pieces of the result, whose operands all have its shape.
template <typename X, typename Out, typename Loop>
std::unique_ptr<Kernel> unary_kernel(Loop loop) {
  return kernel_of([loop](const KernelRun& run) {
    const auto* x = static_cast<const X*>(run.in[0].data);
    auto* out = static_cast<Out*>(run.out[0].data);
    const auto size = static_cast<size_t>(run.out[0].size());
    run.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) out[i] = loop(x[i]);
    });
  });
}

// The two operands apart where both move, so that the loop of each case is a plain one.
template <typename X, typename Operator>
std::unique_ptr<Kernel> binary_kernel(const OpArgs& args) {
  const auto x_step = step_of(args, "x"), y_step = step_of(args, "y");
  if (x_step != size_t{1} || !y_step) return nullptr;
  return kernel_of([moves = *y_step == 1](const KernelRun& run) {
    const auto *x = static_cast<const X*>(run.in[0].data),
               *y = static_cast<const X*>(run.in[1].data);
    auto* out = static_cast<bool*>(run.out[0].data);
    const auto size = static_cast<size_t>(run.out[0].size());
    run.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
      if (moves) {
        for (size_t i = begin; i < end; ++i) out[i] = Operator()(x[i], y[i]);
        return;
      }
      const X bound = y[0];
      for (size_t i = begin; i < end; ++i) out[i] = Operator()(x[i], bound);
    });
  });
}

template <typename Operator>
std::unique_ptr<Kernel> comparison(const OpArgs& args) {
  if (args.type("x").dtype != DType::kFp32 || args.type("y").dtype != DType::kFp32) return nullptr;
  return binary_kernel<float, Operator>(args);
}

template <typename Operator>
std::unique_ptr<Kernel> logic(const OpArgs& args) {
  return binary_kernel<bool, Operator>(args);
}

std::unique_ptr<Kernel> logical_not(const OpArgs&) {
  return unary_kernel<bool, bool>([](bool x) { return !x; });
}

// Steps as constants: each of the four cases is a plain loop.
template <size_t a_step, size_t b_step>
std::unique_ptr<Kernel> select_by() {
  return kernel_of([](const KernelRun& run) {
    const auto* condition = static_cast<const bool*>(run.in[0].data);
    const float *a = run.input(1), *b = run.input(2);
    float* out = run.output();
    const auto size = static_cast<size_t>(run.out[0].size());
    run.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        const float yes = a[i * a_step], no = b[i * b_step];
        out[i] = condition[i] ? yes : no;
      }
    });
  });
}

std::unique_ptr<Kernel> select(const OpArgs& args) {
  const auto a_step = step_of(args, "a"), b_step = step_of(args, "b");
  if (step_of(args, "cond") != size_t{1} || !a_step || !b_step) return nullptr;
  if (args.op().outputs[0]->type.dtype != DType::kFp32) return nullptr;
  if (*a_step == 1) return *b_step == 1 ? select_by<1, 1>() : select_by<1, 0>();
  return *b_step == 1 ? select_by<0, 1>() : select_by<0, 0>();
}

}  // namespace

std::unique_ptr<Kernel> cast_of_bool() {
  return unary_kernel<bool, float>([](bool x) { return x ? 1.0f : 0.0f; });
}

KernelFamily logic_kernels() {
  return {
      {"equal", comparison<std::equal_to<>>},
      {"greater", comparison<std::greater<>>},
      {"greater_equal", comparison<std::greater_equal<>>},
      {"less", comparison<std::less<>>},
      {"less_equal", comparison<std::less_equal<>>},
      {"logical_and", logic<std::logical_and<>>},
      {"logical_not", logical_not},
      {"logical_or", logic<std::logical_or<>>},
      {"logical_xor", logic<std::not_equal_to<>>},
      {"not_equal", comparison<std::not_equal_to<>>},
      {"select", select},
  };
}

}  // namespace anemone
