// anemone.cross_entropy over [1, V, 1, S] and its backward operation.
#include <algorithm>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"

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

size_t checked_target(const KernelRun& run, size_t column, size_t vocab) {
  const int32_t target = static_cast<const int32_t*>(run.in[1].data)[column];
  if (target < 0 || static_cast<size_t>(target) >= vocab) {
    fail("cross_entropy",
         fmt::format("target {} at column {} is outside [0, {})", target, column, vocab));
  }
  return static_cast<size_t>(target);
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
    double loss = 0;
    for (size_t s = 0; s < size.columns; ++s) {
      const size_t target = checked_target(run, s, size.vocab);
      loss += static_cast<double>(log_sum_exp[s]) - logits[target * size.columns + s];
    }
    run.output(0)[0] = static_cast<float>(loss / static_cast<double>(size.columns));
  });
}

// In place on the logits: the largest value of a training step need not exist twice.
std::unique_ptr<Kernel> cross_entropy_backward(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const Size size = size_of(args);
  return kernel_of(
      [=](const KernelRun& run) {
        const float scale = run.input(3)[0] / static_cast<float>(size.columns);
        run.pool.parallel_for(size.vocab, kRowGrain, [&](size_t begin, size_t end, int) {
          for (size_t row = begin; row < end; ++row) {
            simd::scaled_softmax(run.input(0) + row * size.columns, run.input(2), scale,
                                 run.output() + row * size.columns, size.columns);
          }
        });
        for (size_t s = 0; s < size.columns; ++s) {
          run.output()[checked_target(run, s, size.vocab) * size.columns + s] -= scale;
        }
      },
      {{0, 0}});
}

}  // namespace

KernelFamily loss_kernels() {
  return {
      {"anemone.cross_entropy", cross_entropy},
      {"anemone.cross_entropy_backward", cross_entropy_backward},
  };
}

}  // namespace anemone
