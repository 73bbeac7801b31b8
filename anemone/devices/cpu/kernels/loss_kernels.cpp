// anemone.cross_entropy over [1, V, 1, S] and its backward operation, and anemone.target_shares.
#include <algorithm>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/room.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/targets.h"

namespace anemone {
namespace {

constexpr size_t kColumnGrain = 16, kRowGrain = 64;

struct Size {
  size_t vocab, columns;
};

Size size_of(const OpArgs& args) {
  return {static_cast<size_t>(args.shape("logits")[1]),
          static_cast<size_t>(args.shape("logits")[3])};
}

using Targets = std::span<const int32_t>;

void require_inside(Targets targets, size_t vocab) {
  for (size_t s = 0; s < targets.size(); ++s) {
    const int32_t target = targets[s];
    if (target == kIgnoredTarget || (target >= 0 && static_cast<size_t>(target) < vocab)) continue;
    fail("cross_entropy",
         fmt::format("target {} at column {} is outside [0, {})", target, s, vocab));
  }
}

std::unique_ptr<Kernel> cross_entropy(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Size size = size_of(args);
  return kernel_of([=](const KernelRun& run) {
    const float* logits = run.input(0);
    float* log_sum_exp = run.output(1);
    run.pool.parallel_for(size.columns, kColumnGrain, [&](size_t begin, size_t end, int) {
      simd::log_sum_exp(logits + begin, size.vocab, end - begin, size.columns, log_sum_exp + begin);
    });
    const Targets targets = run.in[1].as<const int32_t>();
    require_inside(targets, size.vocab);
    double loss = 0;
    for (size_t s = 0; s < size.columns; ++s) {
      if (targets[s] == kIgnoredTarget) continue;
      const size_t target = static_cast<size_t>(targets[s]) * size.columns + s;
      loss += static_cast<double>(log_sum_exp[s]) - logits[target];
    }
    run.output(0)[0] = static_cast<float>(loss / static_cast<double>(counted_targets(targets)));
  });
}

// One less `scale` in the row of every column's target. In fp32 from the logits again, because a
// difference of what has been rounded is another number.
void subtract_targets(const KernelRun& run, Targets targets, float scale) {
  for (size_t s = 0; s < targets.size(); ++s) {
    if (targets[s] == kIgnoredTarget) continue;
    const size_t at = static_cast<size_t>(targets[s]) * targets.size() + s;
    if (run.out[0].dtype != DType::kBf16) {
      run.output()[at] -= scale;
      continue;
    }
    Room out(run, 0, at, 1);
    simd::scaled_softmax(run.input(0) + at, run.input(2) + s, scale, out.data(), 1);
    *out.data() -= scale;
  }
}

// In place on the logits: the largest value of a training step need not exist twice.
std::unique_ptr<Kernel> cross_entropy_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Size size = size_of(args);
  auto kernel = kernel_of(
      [=](const KernelRun& run) {
        const Targets targets = run.in[1].as<const int32_t>();
        require_inside(targets, size.vocab);
        const bool ignores = any_ignored(targets);
        const float scale = run.input(3)[0] / static_cast<float>(counted_targets(targets));
        run.pool.parallel_for(size.vocab, kRowGrain, [&](size_t begin, size_t end, int) {
          for (size_t row = begin; row < end; ++row) {
            in_rooms(0, size.columns, [&](size_t first, size_t count) {
              const size_t at = row * size.columns + first;
              Room out(run, 0, at, count);
              simd::scaled_softmax(run.input(0) + at, run.input(2) + first, scale, out.data(),
                                   count);
              if (ignores) clear_ignored(targets.subspan(first, count), out.data());
            });
          }
        });
        subtract_targets(run, targets, scale);
      },
      {{0, 0}});
  return also_in_bf16(std::move(kernel), {.outputs = {0}});
}

std::unique_ptr<Kernel> target_shares(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  return kernel_of([](const KernelRun& run) {
    const Targets targets = run.in[0].as<const int32_t>();
    const auto each = static_cast<float>(1 / static_cast<double>(counted_targets(targets)));
    std::fill_n(run.output(), targets.size(), run.input(1)[0] * each);
    clear_ignored(targets, run.output());
  });
}

}  // namespace

KernelFamily loss_kernels() {
  return {
      {"anemone.cross_entropy", cross_entropy},
      {"anemone.cross_entropy_backward", cross_entropy_backward},
      {"anemone.target_shares", target_shares},
  };
}

}  // namespace anemone
