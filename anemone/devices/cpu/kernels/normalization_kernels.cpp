// softmax, and normalisation of planes and rows.
#include <algorithm>
#include <cmath>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/simd_map.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 4096;
constexpr double kEpsilon = 1e-5;  // as in the reference kernels

bool takes(const OpArgs& args) { return all_fp32(args) && args.type("x").dtype == DType::kFp32; }

std::unique_ptr<Kernel> softmax(const OpArgs& args) {
  if (!takes(args)) return nullptr;
  const Shape& shape = args.shape("x");
  const int64_t axis = args.integer("axis", -1);
  const auto split = split_at(
      shape, static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis));
  const auto rows = static_cast<size_t>(split.outer), count = static_cast<size_t>(split.size);
  const auto inner = static_cast<size_t>(split.inner);
  return kernel_of(
      [=](const KernelRun& run) {
        run.pool.parallel_for(rows, 1 + kGrain / (count * inner),
                              [&](size_t begin, size_t end, int) {
                                for (size_t row = begin; row < end; ++row) {
                                  float* out = run.output() + row * count * inner;
                                  const float* x = run.input(0) + row * count * inner;
                                  if (x != out) std::copy_n(x, count * inner, out);
                                  inner == 1 ? simd::softmax_row(out, count, count, 1)
                                             : simd::softmax_down(out, count, inner, 1);
                                }
                              });
      },
      {{0, 0}});
}

// The positions of a norm's parameters among its operands.
struct Parameters {
  std::optional<size_t> gamma, beta, mean, variance;

  explicit Parameters(const OpArgs& args) {
    for (size_t i = 0; i < args.op().arguments.size(); ++i) {
      const std::string& name = args.op().arguments[i].name;
      if (name == "gamma") gamma = i;
      if (name == "beta") beta = i;
      if (name == "mean") mean = i;
      if (name == "variance") variance = i;
    }
  }
  static const float* memory(const KernelRun& run, const std::optional<size_t>& position) {
    return position ? run.input(*position) : nullptr;
  }
};

struct Statistics {
  float mean, inverse;  // 1 / sqrt(variance + epsilon)
};

Statistics statistics_of(const float* x, size_t n, float epsilon) {
  const float mean = simd::sum(x, n) / static_cast<float>(n);
  const float variance = simd::sum_of_squares_from(x, mean, n) / static_cast<float>(n);
  return {mean, 1 / std::sqrt(variance + epsilon)};
}

// Planes [n, c] of `plane` elements: (x - mean) / sigma * gamma[c] + beta[c].
template <bool kOwnStatistics>
std::unique_ptr<Kernel> plane_norm(const OpArgs& args) {
  if (!takes(args)) return nullptr;
  const Shape& shape = args.shape("x");
  const auto channels = static_cast<size_t>(shape[1]);
  const auto planes = static_cast<size_t>(shape[0]) * channels;
  const size_t plane = static_cast<size_t>(element_count(shape)) / planes;
  const auto epsilon = static_cast<float>(args.number("epsilon", kEpsilon));
  const Parameters parameters(args);
  return kernel_of(
      [=](const KernelRun& run) {
        const float* gamma = Parameters::memory(run, parameters.gamma);
        const float* beta = Parameters::memory(run, parameters.beta);
        run.pool.parallel_for(planes, 1 + kGrain / plane, [&](size_t begin, size_t end, int) {
          for (size_t i = begin; i < end; ++i) {
            const size_t c = i % channels;
            const float* x = run.input(0) + i * plane;
            Statistics s{};
            if constexpr (kOwnStatistics) {
              s = statistics_of(x, plane, epsilon);
            } else {
              s = {run.input(*parameters.mean)[c],
                   1 / std::sqrt(run.input(*parameters.variance)[c] + epsilon)};
            }
            simd::normalize(x, s.mean, gamma ? gamma[c] * s.inverse : s.inverse, beta ? beta[c] : 0,
                            run.output() + i * plane, plane);
          }
        });
      },
      {{0, 0}});
}

// Over the last axes, which are one in memory.
std::unique_ptr<Kernel> layer_norm(const OpArgs& args) {
  if (!takes(args)) return nullptr;
  const Shape& shape = args.shape("x");
  const auto rank = static_cast<int64_t>(shape.size());
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  axes = args.integers("axes", axes);
  for (int64_t& axis : axes) axis = axis < 0 ? axis + rank : axis;
  size_t width = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[axes.size() - 1 - i] != rank - 1 - static_cast<int64_t>(i)) return nullptr;
    width *= static_cast<size_t>(shape[shape.size() - 1 - i]);
  }
  const size_t rows = static_cast<size_t>(element_count(shape)) / width;
  const auto epsilon = static_cast<float>(args.number("epsilon", kEpsilon));
  const Parameters parameters(args);
  return kernel_of(
      [=](const KernelRun& run) {
        const float* gamma = Parameters::memory(run, parameters.gamma);
        const float* beta = Parameters::memory(run, parameters.beta);
        run.pool.parallel_for(rows, 1 + kGrain / width, [&](size_t begin, size_t end, int) {
          for (size_t row = begin; row < end; ++row) {
            const float* x = run.input(0) + row * width;
            const Statistics s = statistics_of(x, width, epsilon);
            simd::normalize(x, s.mean, s.inverse, gamma, beta, run.output() + row * width, width);
          }
        });
      },
      {{0, 0}});
}

}  // namespace

KernelFamily normalization_kernels() {
  return {
      {"batch_norm", plane_norm<false>},
      {"instance_norm", plane_norm<true>},
      {"layer_norm", layer_norm},
      {"softmax", softmax},
  };
}

}  // namespace anemone
