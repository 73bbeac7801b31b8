// Trains numbers of any program or package and writes it again.
#include <filesystem>
#include <optional>

#include "anemone/base/file.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/data/tensor_files.h"
#include "anemone/devices/all_devices.h"
#include "anemone/finetune/choose.h"
#include "anemone/finetune/finetuner.h"
#include "cli/commands.h"
#include "cli/convert_program.h"
#include "cli/metrics_file.h"
#include "cli/terminal.h"
#include "cli/train_display.h"
#include "cli/train_files.h"
#include "cli/train_flags.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Flags {
  std::string program, inputs, evaluation, loss = "cross_entropy", out, metrics;
  FinetuneOptions options;
  int64_t class_axis = 0;
  CLI::Option* class_axis_given = nullptr;
  TrainFlags train;
  bool force = false;
};

// Small steps on what has learnt already.
TrainOptions defaults() {
  TrainOptions options;
  options.steps = 100;
  options.batch = 16;
  options.learning_rate = 1e-3;
  options.optimizer.weight_decay = 0.01;
  return options;
}

FinetuneOptions options_of(const Flags& flags) {
  FinetuneOptions o = flags.options;
  o.run = defaults();
  apply_given(flags.train, o.run);
  o.run.sequence = 1;  // samples, not tokens
  o.run.validate();
  o.loss = flags.loss == "mse" ? LossKind::kMeanSquare : LossKind::kCrossEntropy;
  if (flags.class_axis_given->count() > 0) o.class_axis = flags.class_axis;
  return o;
}

Placement placement_of(const TrainOptions& options, const Device& device) {
  const std::string name = pipeline_name(options, device.info());
  return is_placement_file(name) ? parse_placement(read_file(name), name)
                                 : placement_of_program(name);
}

Samples read_samples(const std::string& path) { return Samples(path, read_tensors(path)); }

std::string headline(Finetuner& tuner, const FinetuneOptions& o, const TrainingPlace& place) {
  const DeviceInfo& device = place.device.info();
  return fmt::format(
      "{}: {} of {} constants are trained, {} numbers: {}\n"
      "{} of '{}'; {} samples, {} an update in {} micro-step{} of {}\n"
      "on {} ({}), pipeline {}\n",
      tuner.model().function.name, tuner.parameters().size(), tuner.model().constants_in_all,
      with_commas(tuner.count()), listed(tuner.model().constants),
      o.loss == LossKind::kMeanSquare ? "mean square error" : "cross entropy",
      tuner.model().output_name, tuner.samples().count(), o.run.batch, tuner.micro_steps(),
      tuner.micro_steps() == 1 ? "" : "s", tuner.model().batch, device.name, device.description,
      place.placement.name);
}

std::string described(const Evaluation& e) {
  return fmt::format("loss {:.4f}{} on {} samples", e.loss,
                     e.accuracy ? fmt::format(", accuracy {:.2f}%", 100 * *e.accuracy) : "",
                     e.samples);
}

nlohmann::json to_json(const Evaluation& e) {
  nlohmann::json json = {{"loss", e.loss}, {"samples", e.samples}};
  if (e.accuracy) json["accuracy"] = *e.accuracy;
  return json;
}

// What a run has come to.
struct Outcome {
  double first_loss = 0, last_loss = 0;
  double ms = 0;
  std::optional<Evaluation> before, after;
};

TrainDisplay::Style display_style(const TrainFlags& o) {
  if (o.quiet) return TrainDisplay::Style::kQuiet;
  return o.progress == "bar" ? TrainDisplay::Style::kBar : TrainDisplay::Style::kLines;
}

void run_updates(const Flags& flags, Finetuner& tuner, int64_t steps, Outcome& outcome) {
  TrainDisplay display(display_style(flags.train), 0, steps, "samples");
  std::optional<MetricsFile> metrics;
  if (!flags.metrics.empty()) metrics.emplace(flags.metrics);
  while (!tuner.done()) {
    const UpdateMetrics update = tuner.update();
    if (metrics) metrics->append(metrics_line(update, /*values=*/true));
    display.show(update);
    if (update.step == 1) outcome.first_loss = update.loss;
    outcome.last_loss = update.loss;
    outcome.ms += update.ms;
  }
  display.finish();
}

nlohmann::json summary(const Flags& flags, const FinetuneOptions& o, const Finetuner& tuner,
                       const Outcome& outcome, bool simulated) {
  nlohmann::json json = {{"out", flags.out},
                         {"steps", o.run.steps},
                         {"parameters", tuner.count()},
                         {"constants", tuner.model().constants},
                         {"samples", o.run.steps * o.run.batch},
                         {"first_loss", outcome.first_loss},
                         {"loss", outcome.last_loss},
                         {"ms", outcome.ms}};
  if (simulated) json["simulated"] = true;
  if (outcome.before) json["before"] = to_json(*outcome.before);
  if (outcome.after) json["after"] = to_json(*outcome.after);
  return json;
}

std::string last_line(const Flags& flags, const FinetuneOptions& o, const Outcome& outcome) {
  if (o.run.steps == 0) return flags.out + ": written as it was, --steps is 0\n";
  return fmt::format("{}: loss {:.4f} -> {:.4f} in {} updates\n", flags.out, outcome.first_loss,
                     outcome.last_loss, o.run.steps);
}

void require_given(const std::string& value, const char* flag, const char* hint) {
  if (value.empty()) fail(flag, "it is required", hint);
}

// Makes a folder where the program will be written: before hours of training and not after them.
void try_place(const std::string& out) {
  fs::path place = fs::absolute(out).lexically_normal().parent_path();
  while (!fs::exists(place) && place.has_relative_path()) place = place.parent_path();
  const ScratchFolder probe(place);
}

void check_flags(const Flags& flags) {
  require_given(flags.inputs, "--inputs", "a file of samples, by the names of the inputs");
  require_given(flags.options.targets, "--targets", "the name of the tensor with the targets");
  require_given(flags.out, "--out", "the package to write");
  check_program_output(flags.program, flags.out, flags.force);
  try_place(flags.out);
  check_writable(flags.metrics, {});
}

void finetune(const Flags& flags) {
  check_flags(flags);
  const FinetuneOptions o = options_of(flags);
  note_update_flags_without_effect(flags.train, o.run);
  ProgramSource source = open_program(flags.program);
  print_notes(source.info.losses);
  load_weights(source);
  ThreadPool pool(DeviceOptions{o.run.device, "auto", o.run.threads}.thread_count());
  const DeviceSettings settings = {.strict = o.run.strict, .bf16 = o.run.dtype == "bf16"};
  const auto device = make_device(o.run.device, pool, settings);
  const auto host = make_host(*device, pool, settings);
  Timeline timeline;
  const TrainingPlace place{*device, *host, pool, placement_of(o.run, *device), &timeline};
  Finetuner tuner(place, source, o, read_samples(flags.inputs));
  std::optional<Samples> held_out;
  if (!flags.evaluation.empty()) held_out = tuner.fit(read_samples(flags.evaluation));
  const bool quiet = flags.train.quiet;
  if (!quiet) print(headline(tuner, o, place));
  for (const std::string& text : tuner.program().notes()) print("note: " + text + "\n");
  Outcome outcome;
  if (held_out) outcome.before = tuner.evaluate(*held_out);
  if (outcome.before && !quiet) print("before: " + described(*outcome.before) + "\n");
  run_updates(flags, tuner, o.run.steps, outcome);
  if (held_out) outcome.after = tuner.evaluate(*held_out);
  tuner.store();
  write_program(flags.out, source);
  if (outcome.after && !quiet) print("after: " + described(*outcome.after) + "\n");
  if (!quiet) print(last_line(flags, o, outcome));
  if (flags.train.json) {
    print_json(summary(flags, o, tuner, outcome, device->info().simulated));
  }
}

void add_own_flags(CLI::App& app, Flags& o) {
  app.add_option("file", o.program, "FILE.mil, .mlpackage, .mlmodelc or .mlmodel")->required();
  app.add_option("--inputs", o.inputs,
                 "Samples: .safetensors or .npz with inputs and targets by name, whose first axis "
                 "counts samples");
  app.add_option("--targets", o.options.targets, "Tensor of the samples that is wanted");
  app.add_option("--loss", o.loss, "cross_entropy (targets are classes) or mse")
      ->check(CLI::IsMember({"cross_entropy", "mse"}))
      ->capture_default_str();
  app.add_option("--output", o.options.output,
                 "Value that the loss is of, any of the program; without it the only result");
  o.class_axis_given = app.add_option("--class-axis", o.class_axis,
                                      "Axis of the output that counts classes, where its sizes "
                                      "leave that open");
  app.add_option("--train", o.options.train,
                 "Constants to train, by name or pattern ('*weight*'); may be repeated")
      ->allow_extra_args(false);
  app.add_option("--eval", o.evaluation, "Held-out samples: loss and accuracy before and after");
  app.add_option("--function", o.options.function,
                 "Function to train; the model's own choice if not given");
  app.add_option("-o,--out", o.out, "What is written: NAME.mlpackage, .mil or .mlmodelc");
  app.add_flag("--force", o.force, "Writes over a program that is there");
  app.add_option("--metrics", o.metrics, "Updates as lines of JSON, appended to a file");
}

void add_display_flags(CLI::App& app, TrainFlags& o) {
  app.add_flag("--json", o.json, "The last line on standard output is one JSON object");
  app.add_flag("--quiet", o.quiet, "No lines per update");
  app.add_option("--progress", o.progress, "lines or bar")
      ->check(CLI::IsMember({"lines", "bar"}))
      ->capture_default_str();
}

}  // namespace

void add_finetune(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("finetune", "Train chosen constants of any MIL program or package");
  auto flags = std::make_shared<Flags>();
  flags->train.given = defaults();
  add_own_flags(*command, *flags);
  add_display_flags(*command, flags->train);
  add_batch_flag(*command, flags->train, "Samples of an update");
  add_update_flags(*command, flags->train);
  add_place_flags(*command, flags->train);
  command->callback([flags] { finetune(*flags); });
}

}  // namespace anemone::cli
