#include "anemone/finetune/finetuner.h"

#include <fmt/format.h>

#include <cmath>

#include "anemone/autodiff/stage_gradients.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/trainable.h"

namespace anemone {
namespace {

Tensor tensor_like(const Buffer& buffer) {
  return Tensor(buffer.type().dtype, buffer.type().shape);
}

}  // namespace

Finetuner::Finetuner(const TrainingPlace& place, ProgramSource& source,
                     const FinetuneOptions& options, Samples samples)
    : place_(place),
      source_(source),
      options_(options),
      samples_(std::move(samples)),
      model_(make_trained_function(source, options, samples_, place.host)),
      loss_(fit_loss(options, model_.output(), model_.batch, samples_)),
      order_(samples_.count(), options.run.seed),
      scale_(first_loss_scale(options.run, place.device)),
      numbers_(static_cast<size_t>(model_.batch)) {
  make_parameters();
  make_programs();
  require_compiles();
  updater_.emplace(parameters_, place_.pool, program_->runner());
}

void Finetuner::make_parameters() {
  for (size_t i = 0; i < model_.constants.size(); ++i) {
    const Tensor& numbers = model_.initial[i];
    Parameter& parameter = parameters_.emplace_back();
    parameter.name = model_.constants[i];
    parameter.shape = numbers.shape();
    parameter.value = place_.host.allocate(Type::tensor(DType::kFp32, numbers.shape()));
    parameter.value->write(numbers);
    parameter.become_trained(place_.host);
    zero_gradients({&parameter, 1});
  }
  model_.initial.clear();
}

Parameter& Finetuner::find(const std::string& name) {
  for (Parameter& parameter : parameters_) {
    if (parameter.name == name) return parameter;
  }
  fail("parameter '" + name + "'", "there is none");
}

StageChain Finetuner::chain(Function function, const std::string& output) const {
  StageChain chain;
  chain.uses = {{0, function.name, model_.constants}};
  chain.stages.push_back({std::move(function), "", output, model_.weights});
  return chain;
}

Placement Finetuner::placement(const Stage& stage) const {
  Placement placement = place_.placement;
  if (!uses_device(placement)) return placement;
  PlacementRow sums{{}, {Part::kWeightGradient}, {}, {}, false, ""};
  for (const std::string& weight : model_.weights) sums.values.push_back("d" + weight);
  placement.rows.push_back(std::move(sums));
  StageGradients parts = differentiate_stage(stage.function, {}, stage.weights);
  for (const auto& [part, function] : {std::pair(Part::kForward, &parts.forward),
                                       std::pair(Part::kWeightGradient, &parts.weight_gradient)}) {
    compare_halves(*function);  // as the parts are that will be placed
    PlacementRow row{{}, {part}, {}, results_beside_floats(*function), false, ""};
    if (!row.values.empty()) placement.rows.push_back(std::move(row));
  }
  return placement;
}

void Finetuner::make_programs() {
  const ParameterLookup values = [&](const std::string& name) { return find(name).value.get(); };
  const ParameterLookup gradients = [&](const std::string& name) {
    return find(name).gradient.get();
  };
  forward_ = std::make_unique<ForwardProgram>(
      place_.host, chain(model_.function.clone(), model_.output()->name), values);
  Function with_loss = model_.function.clone();
  append_loss(with_loss, loss_);
  if (uses_device(place_.placement)) separate_bias(with_loss);
  const StageChain training = chain(std::move(with_loss), "loss");
  check_placement(place_.placement, training, "--pipeline " + options_.run.pipeline);
  program_ = in_file(source_.path, [&] {
    const TrainingSetup setup{
        place_.device,          place_.host,    placement(training.stages[0]), options_.run.strict,
        options_.run.recompute, place_.timeline};
    return std::make_unique<TrainingProgram>(setup, training, values, gradients);
  });
  for (const std::string& input : model_.inputs) {
    batch_.push_back(tensor_like(program_->side(input)));
  }
  batch_.push_back(tensor_like(program_->side("targets")));
}

// Before hours of training and not after them.
void Finetuner::require_compiles() const {
  const int64_t each = program_->compiles_per_update(), left = place_.device.compiles_left();
  const int64_t updates = options_.run.steps - 1;  // the constructor has compiled for the first
  if (each == 0 || updates <= left / each) return;
  fail("--pipeline " + place_.placement.name,
       fmt::format("{} compiles {} programs more in this process, and every update takes {}",
                   place_.device.info().name, left, each),
       fmt::format("--pipeline dynamic, or --steps {}", left / each + 1));
}

int64_t Finetuner::count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += element_count(parameter.shape);
  return count;
}

int64_t Finetuner::micro_steps() const { return options_.run.batch / model_.batch; }

void Finetuner::feed(int lane) {
  order_.next(numbers_);
  for (size_t i = 0; i < model_.inputs.size(); ++i) {
    samples_.gather(model_.samples[i], numbers_, batch_[i]);
    program_->side(model_.inputs[i], lane).write(batch_[i]);
  }
  samples_.gather(options_.targets, numbers_, batch_.back());
  program_->side("targets", lane).write(batch_.back());
}

UpdateMetrics Finetuner::update() {
  TaskRunner& runner = program_->runner();
  const double start = runner.now_ms();
  if (weights_are_new_) program_->weights_changed();
  const int64_t count = micro_steps();
  const auto scale = static_cast<float>(scale_.scale / static_cast<double>(count));
  UpdateMetrics metrics;
  metrics.loss =
      program_->run(count, scale, [&](int lane) { feed(lane); }) / static_cast<double>(count);
  weights_are_new_ = updater_->apply(options_.run, step_, scale_, metrics);
  metrics.step = ++step_;
  metrics.tokens = options_.run.batch;
  metrics.ms = runner.now_ms() - start;
  metrics.simulated = place_.device.info().simulated;
  return metrics;
}

Samples Finetuner::fit(Samples samples) const {
  std::vector<std::string> names = model_.samples;
  names.push_back(options_.targets);
  samples.keep(names);
  for (size_t i = 0; i < model_.inputs.size(); ++i) {
    samples.convert(model_.samples[i], batch_[i].dtype());
    samples.require_shape(model_.samples[i], samples_.sample_shape(model_.samples[i]));
  }
  fit_loss(options_, model_.output(), model_.batch, samples);
  return samples;
}

Evaluation Finetuner::evaluate(const Samples& samples) {
  const Tensor output = tensor_like(forward_->output());
  LossSum sum(loss_);
  for (int64_t first = 0; first < samples.count(); first += model_.batch) {
    // The last run is filled up with the last sample, which counts once.
    for (int64_t i = 0; i < model_.batch; ++i) {
      numbers_[static_cast<size_t>(i)] = std::min(first + i, samples.count() - 1);
    }
    for (size_t i = 0; i < model_.inputs.size(); ++i) {
      samples.gather(model_.samples[i], numbers_, batch_[i]);
      forward_->side(model_.inputs[i])->write(batch_[i]);
    }
    samples.gather(options_.targets, numbers_, batch_.back());
    forward_->run();
    forward_->output().read(output);
    sum.add(output, batch_.back(), std::min(model_.batch, samples.count() - first));
  }
  return {sum.mean(), sum.accuracy(), samples.count()};
}

void Finetuner::store() {
  Function& function = source_.function(options_.function);
  for (const Parameter& parameter : parameters_) {
    Operation& constant = *function.find(parameter.name)->producer;
    for (Attribute& attribute : constant.attributes) {
      if (attribute.name != "val") continue;
      const Type& type = attribute.value.type;
      Tensor numbers(DType::kFp32, type.shape);
      parameter.value->read(numbers);
      Tensor stored = numbers.cast(type.dtype);
      for (int64_t i = 0; i < stored.size(); ++i) {
        if (std::isfinite(stored.at(i))) continue;
        fail("constant '" + parameter.name + "'",
             fmt::format("it has become {}, which {} does not hold", numbers.at(i),
                         name(type.dtype)),
             "a lower --lr may help; nothing is written");
      }
      attribute.value = Literal::of(std::move(stored));
    }
  }
}

Placement placement_of_program(const std::string& pipeline) {
  Placement placement = find_pipeline(pipeline);
  if (!uses_device(placement)) return placement;
  placement.lanes = 1;
  placement.rows = {{{}, {}, {}, {}, true, ""}};
  return placement;
}

}  // namespace anemone
