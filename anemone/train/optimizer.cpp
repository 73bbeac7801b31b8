#include "anemone/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

// Elements of one partial sum, and of one piece of an update: fits the first-level cache.
constexpr size_t kChunk = 1 << 14;

float* floats(const std::unique_ptr<Buffer>& buffer) {
  void* data = buffer->host_data();
  ANEMONE_CHECK(data != nullptr);
  return static_cast<float*>(data);
}

size_t size_of(const Parameter& parameter) {
  return static_cast<size_t>(element_count(parameter.shape));
}

}  // namespace

double Schedule::at(int64_t step) const {
  if (step < warmup) {
    return learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
  }
  if (kind == Kind::kConstant || steps <= warmup) return learning_rate;
  const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  return minimum + (learning_rate - minimum) / 2 * (1 + std::cos(std::numbers::pi * done));
}

double gradient_norm(std::span<const Parameter> parameters, ThreadPool& pool) {
  double sum = 0;
  // Sums of blocks of chunks, added up in order.
  constexpr size_t kBlock = 256;
  double partial[kBlock];
  for (const Parameter& parameter : parameters) {
    if (!parameter.is_trained()) continue;
    const float* gradient = floats(parameter.gradient);
    const size_t size = size_of(parameter), chunks = (size + kChunk - 1) / kChunk;
    for (size_t first = 0; first < chunks; first += kBlock) {
      const size_t count = std::min(kBlock, chunks - first);
      pool.parallel_for(count, 1, [&](size_t begin, size_t end, int) {
        for (size_t i = begin; i < end; ++i) {
          const size_t at = (first + i) * kChunk;
          partial[i] = simd::sum_of_squares(gradient + at, std::min(kChunk, size - at));
        }
      });
      for (size_t i = 0; i < count; ++i) sum += partial[i];
    }
  }
  return std::sqrt(sum);
}

void adamw_update(std::span<Parameter> parameters, ThreadPool& pool, const AdamWOptions& options,
                  double learning_rate, double norm, int64_t step, double loss_scale) {
  const auto t = static_cast<double>(step + 1);
  simd::AdamW update{};
  update.beta1 = static_cast<float>(options.beta1);
  update.beta2 = static_cast<float>(options.beta2);
  update.rest1 = static_cast<float>(1 - options.beta1);
  update.rest2 = static_cast<float>(1 - options.beta2);
  update.rate = static_cast<float>(learning_rate / (1 - std::pow(options.beta1, t)));
  update.inverse_correction = static_cast<float>(1 / (1 - std::pow(options.beta2, t)));
  update.epsilon = static_cast<float>(options.epsilon);
  const double clipped = options.clip > 0 ? std::min(1.0, options.clip / (norm + 1e-6)) : 1.0;
  update.gradient_scale = static_cast<float>(clipped / loss_scale);
  for (Parameter& parameter : parameters) {
    if (!parameter.is_trained()) continue;
    const double decay = parameter.decays() ? learning_rate * options.weight_decay : 0;
    update.keep = static_cast<float>(1 - decay);
    float *value = floats(parameter.value), *gradient = floats(parameter.gradient);
    float *m = floats(parameter.first_moment), *v = floats(parameter.second_moment);
    pool.parallel_for(size_of(parameter), kChunk, [&](size_t begin, size_t end, int) {
      for (size_t at = begin; at < end; at += kChunk) {
        const size_t n = std::min(kChunk, end - at);
        simd::adamw(value + at, gradient + at, m + at, v + at, n, update);
      }
    });
    parameter.gradient->clear();
  }
}

void zero_gradients(std::span<Parameter> parameters) {
  for (Parameter& parameter : parameters) {
    if (parameter.is_trained()) parameter.gradient->clear();
  }
}

}  // namespace anemone
