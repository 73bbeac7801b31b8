#include "anemone/train/trainer.h"

#include <fmt/format.h>

#include "anemone/model/transformer.h"
#include "anemone/passes/freeze.h"
#include "anemone/train/trains.h"

namespace anemone {
namespace {

TokenShard open_checked(const std::string& path, const TransformerConfig& config) {
  TokenShard shard = TokenShard::open(path, config.vocab_size);
  shard.check_ids();
  return shard;
}

void check_sequence(const TrainOptions& options, const TransformerConfig& config) {
  if (options.sequence <= config.max_sequence) return;
  fail("--seq", fmt::format("{} tokens are more than the model's {} positions", options.sequence,
                            config.max_sequence));
}

TrainerState checked(TrainerState state, const TransformerConfig& config) {
  state.options.validate();
  check_sequence(state.options, config);
  return state;
}

// A run that goes on keeps its scale, unless its options or its device want another kind now.
LossScale loss_scale_of(const TrainerState& state, const Device& device) {
  LossScale wanted = first_loss_scale(state.options, device);
  if (!state.loss_scale) return wanted;
  const LossScale& known = *state.loss_scale;
  if (known.dynamic && wanted.dynamic) return known;
  wanted.skipped = known.skipped;
  return wanted;
}

// Of one sequence. Positions see earlier ones only and targets of padding are ignored, so that
// padding at the end changes no result.
int64_t padded_columns(const TrainingPlace& place, const TrainOptions& options) {
  if (!uses_device(place.placement)) return options.sequence;
  const int64_t multiple = place.device.info().column_multiple;
  return (options.sequence + multiple - 1) / multiple * multiple;
}

// What frozen matrices are stored in: products round them anyway.
DType frozen_type(const Device& host) { return host.info().product_type; }

ParameterSet parameters_of(Device& host, const TrainOptions& options, ModelWeights weights) {
  const Trains trains = trains_of(options, weights.config);
  return {host, std::move(weights), trains, frozen_type(host)};
}

StageChain chain_of(const ParameterSet& parameters, int64_t batch, int64_t columns,
                    const TrainingPlace& place) {
  const OutputHead head =
      softmax_on_device(place.placement) ? OutputHead::kLossInParts : OutputHead::kLoss;
  StageChain chain = training_chain(parameters.config(), batch, columns, head);
  freeze(chain, trains_by_name(parameters));
  if (frozen_type(place.host) == DType::kBf16) store_frozen_in_bf16(chain);
  return chain;
}

}  // namespace

Trainer::Trainer(const TrainingPlace& place, TrainerState state, ModelWeights weights)
    : place_(place),
      state_(checked(std::move(state), weights.config)),
      values_(!place.device.simulation() || place.device.simulation()->values()),
      parameters_(parameters_of(place.host, state_.options, std::move(weights))),
      columns_(padded_columns(place, state_.options)) {
  const TrainOptions& options = state_.options;
  state_.loss_scale = loss_scale_of(state_, place.device);
  if (state_.totals.device != place.device.info().name) {
    state_.totals = {};
    state_.totals.device = place.device.info().name;
  }
  if (values_) open_data();
  if (options.recompute && uses_device(place.placement)) {
    fail("--recompute", "it is for steps of the host alone", "--pipeline host");
  }
  const StageChain chain = chain_of(parameters_, options.batch, columns_, place);
  check_placement(place.placement, chain, "--pipeline " + options.pipeline);
  program_ = std::make_unique<TrainingProgram>(
      TrainingSetup{place.device, place.host, place.placement, options.strict, options.recompute,
                    place.timeline},
      chain, parameters_.values(),
      [&](const std::string& name) { return parameters_.find(name).gradient.get(); });
  data_event_ = runner().name_id("read tokens", "data");
  updater_.emplace(parameters_.all(), place_.pool, runner());
  validation_event_ = runner().name_id("validation", "validation");
  add_up();
}

void Trainer::open_data() {
  const TrainOptions& options = state_.options;
  shard_ = open_checked(options.data, parameters_.config());
  batches_.emplace(*shard_, options.batch, options.sequence, options.order, options.seed);
  // Micro-steps count from the first update with today's --accum, whatever it was before.
  state_.position.micro_step = state_.step * options.accumulation;
  if (state_.step > 0) batches_->seek(state_.position);
  tokens_ = Tensor(DType::kInt32, {options.batch * columns_});
  targets_ = Tensor(DType::kInt32, {options.batch * columns_});
  token_view_ = tokens_;
  target_view_ = targets_;
  if (options.validation.empty()) return;
  validation_ = open_checked(options.validation, parameters_.config());
  validation_->require_window(options.sequence + 1);
  evaluator_ = std::make_unique<LossEvaluator>(place_.host, parameters_, options.sequence);
}

double Trainer::run_micro_steps() {
  const int64_t count = state_.options.accumulation;
  const auto scale = static_cast<float>(state_.loss_scale->scale / static_cast<double>(count));
  const double start = runner().now_ms();
  const double loss = program_->run(count, scale, [&](int lane) {
    runner().run_host(data_event_, {}, [&] {
      batches_->next(token_view_.as<int32_t>(), target_view_.as<int32_t>());
      program_->side("tokens", lane).write(token_view_);
      program_->side("targets", lane).write(target_view_);
    });
  });
  state_.totals.train_ms += runner().now_ms() - start;
  state_.totals.micro_steps += count;
  return loss / static_cast<double>(count);
}

void Trainer::bring_weights_to_device() {
  if (!weights_are_new_) return;
  if (!values_ && must_restart()) {
    note_restart();
    program_->compile_again();
  } else {
    program_->weights_changed();
  }
  weights_are_new_ = false;
}

UpdateMetrics Trainer::update() {
  const double start = runner().now_ms();
  const TrainOptions& options = state_.options;
  UpdateMetrics metrics;
  const double before = state_.totals.train_ms + program_->compile_ms() + restart_ms_;
  bring_weights_to_device();
  metrics.loss = run_micro_steps();
  if (updater_->apply(options, state_.step, *state_.loss_scale, metrics)) weights_are_new_ = true;
  metrics.step = ++state_.step;
  if (batches_) state_.position = batches_->position();
  metrics.tokens = options.batch * options.sequence * options.accumulation;
  metrics.ms = runner().now_ms() - start;
  metrics.simulated = place_.device.info().simulated;
  state_.totals.update_ms +=
      metrics.ms - (state_.totals.train_ms + program_->compile_ms() + restart_ms_ - before);
  ++state_.totals.updates;
  add_up();
  if (evaluates_now()) {
    metrics.validation_loss = validation_loss();
    add_up();
  }
  return metrics;
}

// Brings the totals up to now.
void Trainer::add_up() {
  const double now = runner().now_ms(), compile = program_->compile_ms();
  state_.totals.wall_ms += now - counted_ms_;
  state_.totals.compile_ms += compile - counted_compile_ms_;
  counted_ms_ = now;
  counted_compile_ms_ = compile;
  state_.totals.compiles += program_->compiles() - counted_compiles_;
  counted_compiles_ = program_->compiles();
}

void Trainer::note_restart() {
  ++state_.totals.restarts;
  const double start = runner().now_ms();
  Simulation* simulation = place_.device.simulation();
  if (!simulation) return;
  runner().record_fixed(runner().name_id("restart", "restart"), simulation->restart_ms());
  restart_ms_ += runner().now_ms() - start;
  add_up();
}

bool Trainer::must_restart() const {
  return weights_are_new_ && program_->compiles_per_update() > place_.device.compiles_left();
}

bool Trainer::evaluates_now() const {
  if (!evaluator_) return false;
  const int64_t every = state_.options.eval_every;
  return state_.step == state_.options.steps || (every > 0 && state_.step % every == 0);
}

double Trainer::validation_loss() {
  ANEMONE_CHECK(evaluator_ != nullptr);
  double loss = 0;
  runner().run_host(validation_event_, {}, [&] {
    loss = evaluator_->run(
        *validation_, std::min(state_.options.eval_windows, evaluator_->windows_in(*validation_)));
  });
  return loss;
}

void Trainer::save(const std::filesystem::path& out) { save_checkpoint(out, state_, parameters_); }

}  // namespace anemone
