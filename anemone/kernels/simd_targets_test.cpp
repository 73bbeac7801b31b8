// Every instruction set that this machine has gives the same numbers, but for rounding.
#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <functional>
#include <map>
#include <string>

#include "anemone/kernels/guarded.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

using namespace kernel_testing;  // NOLINT: helpers of this folder

constexpr size_t kCount = 109;  // whole vectors of every width, and all kinds of tails

// Each loop's output for the same numbers.
std::map<std::string, std::vector<float>> run_all() {
  const auto a = random_floats(kCount, 1, -9, 9), b = random_floats(kCount, 2);
  const auto c = random_floats(kCount, 3, 0.1, 2), d = random_floats(kCount, 4);
  const auto matrix = random_floats(70 * kCount, 5, -30, 30), rows = random_floats(70, 6);
  std::map<std::string, std::vector<float>> results;
  const auto record = [&](const std::string& name, const std::function<void(float* out)>& loop) {
    results[name].assign(2 * kCount, 0.0f);
    loop(results[name].data());
  };
  record("add", [&](float* out) { simd::add(a.data(), b.data(), out, kCount); });
  record("exp", [&](float* out) { simd::exp(a.data(), out, kCount); });
  record("tanh", [&](float* out) { simd::tanh(a.data(), out, kCount); });
  record("relu", [&](float* out) { simd::relu(a.data(), out, kCount); });
  record("swiglu", [&](float* out) { simd::swiglu(a.data(), b.data(), out, kCount); });
  record("swiglu_backward", [&](float* out) {
    simd::swiglu_backward(a.data(), b.data(), c.data(), out, out + kCount, kCount);
  });
  record("rotate", [&](float* out) {
    simd::rotate(a.data(), b.data(), c.data(), d.data(), -1, out, out + kCount, kCount);
  });
  record("sums", [&](float* out) {
    out[0] = simd::dot(b.data(), d.data(), kCount);
    out[1] = static_cast<float>(simd::sum_of_squares(a.data(), kCount));
  });
  record("columns", [&](float* out) {
    simd::inverse_rms(matrix.data(), 70, kCount, kCount, 1e-5f, out);
    simd::log_sum_exp(matrix.data(), 70, kCount, kCount, out + kCount);
  });
  record("weighted_rows", [&](float* out) {
    simd::weighted_rows(matrix.data(), 70, kCount, kCount, rows.data(), out);
  });
  record("softmax_row", [&](float* out) {
    std::copy(a.begin(), a.end(), out);
    simd::softmax_row(out, kCount, kCount, 0.5f);
  });
  record("rms_backward_row", [&](float* out) {
    out[kCount] =
        simd::rms_backward_row(a.data(), b.data(), c.data(), d.data(), 0.7f, a.data(), out, kCount);
  });
  return results;
}

void choose(int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

// Or everything else could pass while each loop takes one number at a time.
TEST(SimdTargets, ComputeWithVectorsByDefault) {
#if HWY_ARCH_X86 || HWY_ARCH_ARM
  EXPECT_STRNE(simd::target_name(), "SCALAR");
#else
  GTEST_SKIP() << "nothing is known of this processor's vectors";
#endif
}

TEST(SimdTargets, AgreeButForRounding) {
  const int64_t all = hwy::SupportedTargets();
  const auto best = run_all();
  for (int64_t target = 1; target > 0 && target <= all; target <<= 1) {
    if ((all & target) == 0) continue;
    choose(target);
    SCOPED_TRACE(simd::target_name());
    for (const auto& [name, actual] : run_all()) {
      SCOPED_TRACE(name);
      for (size_t i = 0; i < actual.size(); ++i) {
        expect_close(actual[i], best.at(name)[i], kSummed, name == "weighted_rows" ? 70 : 10);
      }
    }
  }
  choose(0);
}

}  // namespace
}  // namespace anemone
