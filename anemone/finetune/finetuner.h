// Trains numbers of any program: the loss and its gradients as one stage, AdamW, and the trained
// numbers back into the program.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anemone/finetune/loss.h"
#include "anemone/finetune/trained_function.h"
#include "anemone/train/trainer.h"

namespace anemone {

struct Evaluation {
  double loss = 0;
  std::optional<double> accuracy;  // of cross entropy
  int64_t samples = 0;
};

class Finetuner {
 public:
  // All but the samples must outlive it. `place.device` computes values. Throws Error as
  // make_trained_function and fit_loss do, and for an operation on the way to the loss that has no
  // gradient.
  Finetuner(const TrainingPlace& place, ProgramSource& source, const FinetuneOptions& options,
            Samples samples);

  bool done() const { return step_ >= options_.run.steps; }
  // Throws Error where the loss or the gradients are no longer finite.
  UpdateMetrics update();
  // Turns other samples into what evaluate() takes. Throws Error where they do not fit.
  Samples fit(Samples samples) const;
  // On the host, in fp32.
  Evaluation evaluate(const Samples& samples);

  // Writes the trained numbers into the constants of the program, in their own types. Throws Error
  // for one that is beyond its type.
  void store();

  const TrainedFunction& model() const { return model_; }
  std::vector<Parameter>& parameters() { return parameters_; }
  int64_t count() const;        // trained numbers
  int64_t micro_steps() const;  // of an update
  const Samples& samples() const { return samples_; }
  const TrainingProgram& program() const { return *program_; }

 private:
  void make_parameters();
  Placement placement(const Stage& stage) const;
  StageChain chain(Function function, const std::string& output) const;
  void make_programs();
  void require_compiles() const;
  void feed(int lane);
  Parameter& find(const std::string& name);

  TrainingPlace place_;
  ProgramSource& source_;
  FinetuneOptions options_;
  Samples samples_;
  TrainedFunction model_;
  LossShape loss_;
  std::vector<Parameter> parameters_;
  SampleOrder order_;
  std::unique_ptr<TrainingProgram> program_;
  std::unique_ptr<ForwardProgram> forward_;
  std::optional<Updater> updater_;
  LossScale scale_;
  int64_t step_ = 0;
  bool weights_are_new_ = false;  // the device has not got them yet
  std::vector<Tensor> batch_;     // of each input, and the targets
  std::vector<int64_t> numbers_;  // of the samples of a run
};

// Where programs other than our own models run what: host, and for every other pipeline all on the
// device; `static` ones with trained numbers as constants of its programs. Whatever a placement
// says, gradients are added up on the host in fp32, which also computes with integers and bools.
Placement placement_of_program(const std::string& pipeline);

}  // namespace anemone
