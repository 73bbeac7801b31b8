// Element-wise operations on equal shapes, or with a second operand of one number or one row; other
// shapes by broadcast.h.
#include <algorithm>

#include "anemone/devices/cpu/kernels/broadcast.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/room.h"
#include "anemone/kernels/simd.h"

namespace anemone {

bool all_fp32(const OpArgs& args) {
  const auto wide = [](const Type& type) {
    return !type.is_tensor() || !is_float(type.dtype) || type.dtype == DType::kFp32;
  };
  for (const Argument& argument : args.op().arguments) {
    for (const Operand& operand : argument.operands) {
      if (!wide(operand.type())) return false;
    }
  }
  return std::all_of(args.op().outputs.begin(), args.op().outputs.end(),
                     [&](Value output) { return wide(output->type); });
}

std::optional<size_t> position_of(const Operation& op, std::string_view name) {
  size_t position = 0;
  for (const Argument& argument : op.arguments) {
    if (argument.name == name) return position;
    position += argument.operands.size();
  }
  return std::nullopt;
}

namespace {

// Elements below which a loop is not worth splitting, and the granularity where it is.
constexpr size_t kGrain = 4096;

size_t elements(const TensorView& view) { return static_cast<size_t>(view.size()); }

using Unary = void (*)(const float*, float*, size_t);
using Binary = void (*)(const float*, const float*, float*, size_t);
using WithScalar = void (*)(const float*, float, float*, size_t);

template <Unary loop>
std::unique_ptr<Kernel> unary(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  return kernel_of(
      [](const KernelRun& run) {
        run.pool.parallel_for(elements(run.out[0]), kGrain, [&](size_t begin, size_t end, int) {
          loop(run.input(0) + begin, run.output() + begin, end - begin);
        });
      },
      {{0, 0}});
}

template <typename From, typename To, void (*loop)(const From*, To*, size_t)>
std::unique_ptr<Kernel> conversion() {
  return kernel_of([](const KernelRun& run) {
    const auto* from = static_cast<const From*>(run.in[0].data);
    auto* to = static_cast<To*>(run.out[0].data);
    run.pool.parallel_for(elements(run.out[0]), kGrain, [&](size_t begin, size_t end, int) {
      loop(from + begin, to + begin, end - begin);
    });
  });
}

// From one float type to another.
std::unique_ptr<Kernel> cast(const OpArgs& args) {
  const Type &from = args.type("x"), &to = args.op().outputs[0]->type;
  if (from.dtype == DType::kBool && to.dtype == DType::kFp32) return cast_of_bool();
  if (!from.is_tensor() || !is_float(from.dtype)) return nullptr;
  if (from.dtype == DType::kFp32) {
    if (to.dtype == DType::kBf16) return conversion<float, BFloat16, simd::to_bf16>();
    if (to.dtype == DType::kFp16) return conversion<float, Half, simd::to_half>();
  }
  if (to.dtype != DType::kFp32) return nullptr;
  if (from.dtype == DType::kFp16) return conversion<Half, float, simd::from_half>();
  return kernel_of([](const KernelRun& run) { convert(run.in[0], run.out[0]); });
}

void sub_scalar(const float* a, float b, float* out, size_t n) { simd::add_scalar(a, -b, out, n); }

// y is one row for all rows of x.
template <Binary loop>
std::unique_ptr<Kernel> with_row(size_t width) {
  return kernel_of(
      [width](const KernelRun& run) {
        const size_t rows = elements(run.out[0]) / width;
        run.pool.parallel_for(rows, 1 + kGrain / width, [&](size_t begin, size_t end, int) {
          for (size_t row = begin; row < end; ++row) {
            loop(run.input(0) + row * width, run.input(1), run.output() + row * width, width);
          }
        });
      },
      {{0, 0}});
}

template <Binary loop, WithScalar scalar_loop>
std::unique_ptr<Kernel> binary(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  const Shape& out = args.op().outputs[0]->type.shape;
  if (args.shape("x") == out && args.shape("y") == out) {
    return kernel_of(
        [](const KernelRun& run) {
          run.pool.parallel_for(elements(run.out[0]), kGrain, [&](size_t begin, size_t end, int) {
            loop(run.input(0) + begin, run.input(1) + begin, run.output() + begin, end - begin);
          });
        },
        {{0, 0}, {1, 0}});
  }
  if (args.shape("x") != out) return broadcast_kernel(args, loop);
  const int64_t count = element_count(args.shape("y"));
  if (count > 1 && count == args.shape("y").back() && count == out.back()) {
    return with_row<loop>(static_cast<size_t>(count));
  }
  if (count != 1) return broadcast_kernel(args, loop);
  return kernel_of(
      [](const KernelRun& run) {
        const float scalar = run.input(1)[0];
        run.pool.parallel_for(elements(run.out[0]), kGrain, [&](size_t begin, size_t end, int) {
          scalar_loop(run.input(0) + begin, scalar, run.output() + begin, end - begin);
        });
      },
      {{0, 0}});
}

// The rows of a tensor of any rank: of [1, C, 1, S], C.
struct Rows {
  size_t count, width;

  explicit Rows(const Shape& shape)
      : count(1), width(shape.empty() ? 1 : static_cast<size_t>(shape.back())) {
    count = static_cast<size_t>(element_count(shape)) / width;
  }
  // That are worth a thread, an even number.
  size_t grain() const { return 2 * (1 + kGrain / (2 * width)); }
};

std::unique_ptr<Kernel> swiglu_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Rows rows(args.shape("gate"));
  const auto body = [=](const KernelRun& run, size_t first, size_t last) {
    in_rooms(first * rows.width, last * rows.width, [&](size_t at, size_t count) {
      Room dgate(run, 0, at, count), dup(run, 1, at, count);
      simd::swiglu_backward(run.input(0) + at, run.input(1) + at, run.input(2) + at, dgate.data(),
                            dup.data(), count);
    });
  };
  auto kernel = row_kernel_of(rows.count, rows.grain(), body, {{0, 0}, {1, 1}, {2, 0}, {2, 1}});
  return also_in_bf16(std::move(kernel), {.outputs = {0, 1}});
}

std::unique_ptr<Kernel> swiglu(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Rows rows(args.shape("gate"));
  const auto body = [=](const KernelRun& run, size_t first, size_t last) {
    in_rooms(first * rows.width, last * rows.width, [&](size_t at, size_t count) {
      simd::swiglu(run.input(0) + at, run.input(1) + at, Room(run, 0, at, count).data(), count);
    });
  };
  auto kernel = row_kernel_of(rows.count, rows.grain(), body, {{0, 0}, {1, 0}});
  return also_in_bf16(std::move(kernel), {.outputs = {0}});
}

// Which rows of x [1, C, 1, S] rotate together.
struct RowPairs {
  size_t count, of_head;  // pairs in all, and of a head, which are rows of the table
  bool interleaved;       // adjacent rows; else half a head apart

  size_t first(size_t pair) const {
    return interleaved ? 2 * pair : pair / of_head * 2 * of_head + pair % of_head;
  }
  size_t second(size_t pair) const { return first(pair) + (interleaved ? 1 : of_head); }
};

// One token: too few numbers for threads.
void rotate_column(const KernelRun& run, const RowPairs& pairs, float sign) {
  const float *x = run.input(0), *cosine = run.input(1), *sine = run.input(2);
  float* out = run.output();
  for (size_t pair = 0; pair < pairs.count; ++pair) {
    const size_t even = pairs.first(pair), odd = pairs.second(pair), i = pair % pairs.of_head;
    const float first = x[even], second = x[odd], turned = sign * sine[i];
    out[even] = first * cosine[i] - second * turned;
    out[odd] = first * turned + second * cosine[i];
  }
}

// Asks for elements that a thread comes to soon. By itself the processor asks for nothing beyond
// the end of a page, and for little of what is only written.
template <bool kWritten>
void ask_for(const TensorView& memory, size_t first, size_t count) {
  constexpr size_t kLine = 64;
  const size_t size = byte_size(memory.dtype, 1);
  const auto* begin = static_cast<const char*>(memory.data) + first * size;
  for (size_t at = 0; at < count * size; at += kLine) __builtin_prefetch(begin + at, kWritten);
}

// Rotates a pair of rows; of `width` columns.
void rotate_rows(const KernelRun& run, const RowPairs& pairs, size_t pair, size_t width,
                 float sign) {
  const size_t table = pair % pairs.of_head * width;
  in_rooms(0, width, [&](size_t first, size_t count) {
    const size_t even = pairs.first(pair) * width + first;
    const size_t odd = pairs.second(pair) * width + first;
    Room out_even(run, 0, even, count), out_odd(run, 0, odd, count);
    simd::rotate(run.input(0) + even, run.input(0) + odd, run.input(1) + table + first,
                 run.input(2) + table + first, sign, out_even.data(), out_odd.data(), count);
  });
}

// Pairs of neighbouring rows, so that any even number of rows can be rotated at a time.
std::unique_ptr<Kernel> rope_of_neighbours(const RowPairs& pairs, size_t width, float sign,
                                           size_t grain) {
  const auto body = [=](const KernelRun& run, size_t first_row, size_t last_row) {
    constexpr size_t kPairsAhead = 2;
    const size_t last = last_row / 2, size = 2 * width;
    for (size_t pair = first_row / 2; pair < last; ++pair) {
      if (pair + kPairsAhead < last) {
        ask_for<false>(run.in[0], (pair + kPairsAhead) * size, size);
        ask_for<true>(run.out[0], (pair + kPairsAhead) * size, size);
      }
      rotate_rows(run, pairs, pair, width, sign);
    }
  };
  return row_kernel_of(2 * pairs.count, grain, body, {{0, 0}});
}

std::unique_ptr<Kernel> rope_of_halves(const RowPairs& pairs, size_t width, float sign,
                                       size_t grain) {
  return kernel_of(
      [=](const KernelRun& run) {
        run.pool.parallel_for(pairs.count, grain / 2, [&](size_t begin, size_t end, int) {
          for (size_t pair = begin; pair < end; ++pair) {
            rotate_rows(run, pairs, pair, width, sign);
          }
        });
      },
      {{0, 0}});
}

// x [1, C, 1, S]; the table's rows repeat for every head.
std::unique_ptr<Kernel> rope(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const RowPairs pairs{static_cast<size_t>(args.shape("x")[1] / 2),
                       static_cast<size_t>(args.shape("cos")[1]),
                       args.boolean("interleaved", true)};
  const auto width = static_cast<size_t>(args.shape("x")[3]);
  const float sign = args.boolean("inverse", false) ? -1.0f : 1.0f;
  if (width == 1) {
    return kernel_of([=](const KernelRun& run) { rotate_column(run, pairs, sign); }, {{0, 0}});
  }
  const size_t grain = Rows(args.shape("x")).grain();
  return also_in_bf16(
      (pairs.interleaved ? rope_of_neighbours : rope_of_halves)(pairs, width, sign, grain),
      {.outputs = {0}});
}

}  // namespace

KernelFamily elementwise_kernels() {
  return {
      {"add", binary<simd::add, simd::add_scalar>},
      {"sub", binary<simd::sub, sub_scalar>},
      {"mul", binary<simd::mul, simd::mul_scalar>},
      {"cast", cast},
      {"exp", unary<simd::exp>},
      {"sigmoid", unary<simd::sigmoid>},
      {"silu", unary<simd::silu>},
      {"tanh", unary<simd::tanh>},
      {"relu", unary<simd::relu>},
      {"anemone.swiglu", swiglu},
      {"anemone.swiglu_backward", swiglu_backward},
      {"anemone.rope", rope},
  };
}

}  // namespace anemone
