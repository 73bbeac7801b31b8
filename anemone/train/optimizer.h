// AdamW, the learning rate's schedule, and gradient clipping.
#pragma once

#include <span>

#include "anemone/base/threads.h"
#include "anemone/train/parameters.h"

namespace anemone {

struct Schedule {
  enum class Kind : uint8_t { kConstant, kCosine } kind = Kind::kConstant;
  double learning_rate = 5e-4, minimum = 0;
  int64_t warmup = 0, steps = 0;

  // At update `step`, from 0: learning_rate * (step+1)/warmup while step < warmup, then constant,
  // or minimum + (learning_rate-minimum)/2 * (1 + cos(pi * (step-warmup)/(steps-warmup))).
  double at(int64_t step) const;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // decoupled, on tensors of two dimensions and more
  double clip = 1;            // global norm of the gradients; 0 for none
};

// Parameters that are not trained are left out everywhere.

// Square root of the sum of squares of all gradients, summed in double in an order that does not
// depend on the number of threads.
double gradient_norm(std::span<const Parameter> parameters, ThreadPool& pool);

// One update, number `step` from 0, of torch.optim.AdamW. Gradients are `loss_scale` times the true
// ones, whose norm is `norm`; they are clipped by min(1, clip / (norm + 1e-6)), and zeroed.
void adamw_update(std::span<Parameter> parameters, ThreadPool& pool, const AdamWOptions& options,
                  double learning_rate, double norm, int64_t step, double loss_scale = 1);

void zero_gradients(std::span<Parameter> parameters);

// What the two cost a host.
inline constexpr double kNormBytesPerParameter = 4, kAdamWBytesPerParameter = 28;

}  // namespace anemone
