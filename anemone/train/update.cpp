#include "anemone/train/update.h"

#include <fmt/format.h>

#include <cmath>

namespace anemone {
namespace {

// After gradients that are not finite.
void require_smaller_loss_scale(const LossScale& scale, int64_t step,
                                const UpdateMetrics& metrics) {
  if (scale.dynamic && scale.scale > LossScale::kLeast) return;
  const bool overflow = scale.scale > 1 && std::isfinite(metrics.loss);
  fail(fmt::format("update {}", step + 1),
       overflow ? fmt::format("the gradients overflow at loss scale {}", scale.scale)
                : fmt::format("training diverged: loss {}, gradient norm {}", metrics.loss,
                              metrics.gradient_norm),
       overflow ? "a smaller --loss-scale, or 0, which finds one; nothing is saved from here on"
                : "a lower --lr, more --warmup or --clip may help; nothing is saved from here on");
}

}  // namespace

LossScale first_loss_scale(const TrainOptions& options, const Device& device) {
  if (options.loss_scale > 0) return LossScale::fixed(options.loss_scale);
  return device.info().float_type == DType::kFp16 ? LossScale::automatic() : LossScale::fixed(1);
}

Updater::Updater(std::span<Parameter> parameters, ThreadPool& pool, TaskRunner& runner)
    : parameters_(parameters),
      pool_(pool),
      runner_(runner),
      norm_event_(runner.name_id("gradient norm", "adam")),
      adamw_event_(runner.name_id("AdamW", "adam")) {
  for (const Parameter& parameter : parameters) {
    if (parameter.is_trained()) count_ += static_cast<double>(element_count(parameter.shape));
  }
}

bool Updater::apply(const TrainOptions& options, int64_t step, LossScale& scale,
                    UpdateMetrics& metrics) {
  metrics.loss_scale = scale.scale;
  runner_.run_host(norm_event_, {.elementwise_bytes = count_ * kNormBytesPerParameter}, [&] {
    // No -nan.
    metrics.gradient_norm = std::abs(gradient_norm(parameters_, pool_) / metrics.loss_scale);
  });
  const bool finite = std::isfinite(metrics.loss) && std::isfinite(metrics.gradient_norm);
  if (!finite) require_smaller_loss_scale(scale, step, metrics);
  const int64_t adam_step = step - scale.skipped;  // skipped updates do not count for the moments
  metrics.skipped = !scale.update(finite);
  metrics.learning_rate = options.make_schedule().at(step);
  runner_.run_host(adamw_event_, {.elementwise_bytes = count_ * kAdamWBytesPerParameter}, [&] {
    if (metrics.skipped) return zero_gradients(parameters_);
    adamw_update(parameters_, pool_, options.optimizer, metrics.learning_rate,
                 metrics.gradient_norm, adam_step, metrics.loss_scale);
  });
  return !metrics.skipped;
}

}  // namespace anemone
