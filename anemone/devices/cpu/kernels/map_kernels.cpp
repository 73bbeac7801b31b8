// Activations and other functions of one operand with numbers as parameters.
#include <cmath>
#include <limits>

#include "anemone/devices/cpu/kernels/broadcast.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd_map.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 4096;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::unique_ptr<Kernel> map(const OpArgs& args, simd::Function function, float a = 0, float b = 0) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  return kernel_of(
      [=](const KernelRun& run) {
        const auto size = static_cast<size_t>(run.out[0].size());
        run.pool.parallel_for(size, kGrain, [&](size_t begin, size_t end, int) {
          function(run.input(0) + begin, a, b, run.output() + begin, end - begin);
        });
      },
      {{0, 0}});
}

float number(const OpArgs& args, const char* name) {
  return static_cast<float>(args.number(name, 0.0));
}

template <simd::Function function>
std::unique_ptr<Kernel> plain(const OpArgs& args) {
  return map(args, function);
}

// With alpha and beta.
template <simd::Function function>
std::unique_ptr<Kernel> with_both(const OpArgs& args) {
  return map(args, function, number(args, "alpha"), number(args, "beta"));
}

std::unique_ptr<Kernel> relu6(const OpArgs& args) { return map(args, simd::limit, 0, 6); }

std::unique_ptr<Kernel> threshold(const OpArgs& args) {
  return map(args, simd::limit, number(args, "alpha"), kInfinity);
}

std::unique_ptr<Kernel> leaky_relu(const OpArgs& args) {
  return map(args, simd::leaky, number(args, "alpha"), kInfinity);
}

// The epsilons are those of the reference kernels.
std::unique_ptr<Kernel> rsqrt(const OpArgs& args) {
  return map(args, simd::rsqrt, static_cast<float>(args.number("epsilon", 1e-12)));
}
std::unique_ptr<Kernel> inverse(const OpArgs& args) {
  return map(args, simd::inverse, static_cast<float>(args.number("epsilon", 1e-4)));
}

std::unique_ptr<Kernel> gelu(const OpArgs& args) {
  const std::string mode = args.text("mode", "EXACT");
  if (mode == "EXACT") return map(args, simd::gelu);
  return map(args, mode == "TANH_APPROXIMATION" ? simd::gelu_tanh : simd::gelu_sigmoid);
}

template <void (*loop)(const float*, const float*, float*, size_t)>
std::unique_ptr<Kernel> binary(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  return broadcast_kernel(args, loop);
}

}  // namespace

KernelFamily map_kernels() {
  return {
      {"abs", plain<simd::abs>},
      {"clamped_relu", with_both<simd::leaky>},
      {"clip", with_both<simd::limit>},
      {"elu", with_both<simd::elu>},
      {"erf", plain<simd::erf>},
      {"gelu", gelu},
      {"inverse", inverse},
      {"leaky_relu", leaky_relu},
      {"linear_activation", with_both<simd::linear>},
      {"maximum", binary<simd::maximum>},
      {"minimum", binary<simd::minimum>},
      {"real_div", binary<simd::div>},
      {"relu6", relu6},
      {"rsqrt", rsqrt},
      {"sigmoid_hard", with_both<simd::linear_01>},
      {"sqrt", plain<simd::sqrt>},
      {"square", plain<simd::square>},
      {"threshold", threshold},
  };
}

}  // namespace anemone
