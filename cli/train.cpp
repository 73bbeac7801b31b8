#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>

#include "anemone/base/process.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/data/shard_metadata.h"
#include "anemone/data/tokenizer.h"
#include "anemone/devices/all_devices.h"
#include "anemone/train/efficiency_report.h"
#include "cli/commands.h"
#include "cli/metrics_file.h"
#include "cli/terminal.h"
#include "cli/train_display.h"
#include "cli/train_files.h"
#include "cli/train_flags.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

volatile std::sig_atomic_t interrupted = 0;

// --- setting up ---

// A run that goes on has its weights. Saying again what it started from is fine, so that a command
// line can be repeated with --resume in the place of --out; saying something else is not.
void check_same_start(const TrainFlags& o, const TrainOptions& stored) {
  const char* const hint = "start another one with --out";
  if (!o.given.model.empty() && o.given.model != stored.model) {
    fail("--model", "a run that is resumed keeps its model, " + stored.model, hint);
  }
  if (!o.init.empty() && !stored.from_scratch && !is_preset(stored.model)) {
    fail("--init", "a run that is resumed keeps its weights", hint);
  }
}

TrainerState starting_state(const TrainFlags& o, const fs::path& checkpoint) {
  TrainerState state;
  if (!o.resume.empty()) {
    state = read_trainer_state(checkpoint);
    check_same_start(o, state.options);
  } else if (o.given.model.empty() || (o.given.data.empty() && !o.only_time())) {
    fail(o.given.model.empty() ? "--model" : "--data", "it is required");
  }
  const uint64_t seed = state.options.seed;
  apply_given(o, state.options);
  // Published steps of engines are of one sequence.
  const bool batch_given = o.batch->count() > 0 || !o.resume.empty();
  if (!batch_given && state.options.device != "cpu") state.options.batch = 1;
  if (state.options.seed != seed) state.position.random_state = state.options.seed;
  if (!o.init.empty()) state.options.from_scratch = true;
  return state;
}

// Without an adapter.
ModelWeights base_weights(const TrainOptions& options) {
  if (options.from_scratch) {
    std::vector<std::string> notes;
    const TransformerConfig config = config_of(options.model, &notes);
    print_notes(notes);
    return initial_weights(config, options.seed);
  }
  if (is_preset(options.model)) return load_or_initialize(options.model, options.seed);
  // What stays as it is may stay where the file is mapped.
  const bool freezes = options.lora() || !options.train.empty() || !options.freeze.empty();
  return load_and_note(options.model, "--model", freezes ? ReadAs::kStored : ReadAs::kFp32);
}

ModelWeights starting_weights(const TrainOptions& options, const fs::path& checkpoint) {
  const std::optional<Lora> lora = options.lora();
  if (!lora && !checkpoint.empty()) return read_checkpoint_weights(checkpoint);
  ModelWeights weights = base_weights(options);
  if (!lora) return weights;
  if (weights.config.lora)
    fail("--lora-rank", "the model has an adapter already", "convert --merge");
  checkpoint.empty() ? add_adapter(weights, *lora, options.seed)
                     : load_adapter(weights, checkpoint);
  return weights;
}

// The vocabulary goes with the run, so that `generate --model OUT` finds it. `given` on this
// command line: a run that goes on has its own already.
void check_tokenizer(const std::string& given, int64_t vocab_size, const TrainOptions& options) {
  if (given.empty()) return;
  load_tokenizer(given, static_cast<int>(vocab_size));
  for (const std::string& shard : {options.data, options.validation}) {
    if (!shard.empty()) check_made_with(shard, given);
  }
}

Placement placement_of(const TrainOptions& options, const Device& device) {
  const std::string name = pipeline_name(options, device.info());
  return is_placement_file(name) ? parse_placement(read_file(name), name) : find_pipeline(name);
}

// "1 program", "2 programs".
std::string counted(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// What the device computes beyond the tokens.
std::string padded_to(const Trainer& trainer) {
  if (trainer.columns() == trainer.state().options.sequence) return "";
  return fmt::format(" (padded to {})", trainer.columns());
}

// Where some parameters are frozen.
std::string trained_share(const ParameterSet& parameters) {
  const int64_t trained = parameters.trained_count(), all = parameters.count();
  if (trained == all) return "";
  return fmt::format(", {} of them trained ({:.2f} %)", with_commas(trained),
                     100 * static_cast<double>(trained) / static_cast<double>(all));
}

std::string headline(const Trainer& trainer, const TrainingPlace& place) {
  const TrainOptions& t = trainer.state().options;
  const TransformerConfig& config = trainer.parameters().config();
  const DeviceInfo& device = place.device.info();
  const ProgramCounts programs = trainer.program().counts();
  const double compile_ms = trainer.program().compile_ms();
  std::string text = fmt::format(
      "{} parameters ({} layers, dim {}, {} heads, {} key/value heads, vocabulary {}){}\n"
      "{} x {} tokens{} a micro-step, {} an update\n"
      "on {} ({}{})\n"
      "pipeline {}: {}{}\n",
      with_commas(parameter_count(config)), config.layers, config.dim, config.heads,
      config.kv_heads, config.vocab_size, trained_share(trainer.parameters()), t.batch, t.sequence,
      padded_to(trainer), counted(t.accumulation, "micro-step"), device.name, device.description,
      device.threads > 0 ? fmt::format(", {} threads", device.threads) : "", place.placement.name,
      counted(programs.total, "program"),
      compile_ms == 0 ? ""
                      : fmt::format(", compiled in {:.0f} ms{}", compile_ms,
                                    device.simulated ? " (simulated)" : ""));
  return text;
}

// --- running ---

// Of one command, restarts included.
struct Summary {
  UpdateMetrics last;  // step 0: this process has made none
  int64_t updates = 0, tokens = 0;
  double ms = 0;
};

Summary summary_so_far(const TrainFlags& o, const TrainOptions& options) {
  Summary summary;
  if (o.continued.empty()) return summary;
  summary.updates = static_cast<int64_t>(o.continued[0]);
  summary.tokens = summary.updates * options.batch * options.sequence * options.accumulation;
  summary.ms = o.continued[1];
  return summary;
}

enum class Signals { kHeld, kFree };

// Held signals wait, beyond the start of a new program in this process too.
void interrupts_are(Signals state) {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  sigprocmask(state == Signals::kHeld ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

// Where a run's files go; empty paths: nowhere.
struct RunFolder {
  fs::path metrics;      // a directory
  fs::path checkpoints;  // the same, or none where nothing is computed
};

// Returns when all is done, at an interrupt, or when the device will not compile the programs of
// the next update in this process.
void run_updates(Trainer& trainer, bool resumed, const RunFolder& folder, TrainDisplay& display,
                 Summary& summary) {
  const fs::path& out = folder.checkpoints;
  std::optional<MetricsFile> metrics;
  if (!folder.metrics.empty()) metrics.emplace(folder.metrics / "metrics.jsonl");
  const int64_t save_every = trainer.state().options.save_every;
  // A checkpoint is never written over itself: there would be a moment without one.
  std::optional<int64_t> saved;
  if (resumed) saved = trainer.state().step;
  while (!trainer.done() && !interrupted && (out.empty() || !trainer.must_restart())) {
    summary.last = trainer.update();
    if (metrics) metrics->append(metrics_line(summary.last, !out.empty()));
    display.show(summary.last);
    ++summary.updates;
    summary.tokens += summary.last.tokens;
    summary.ms += summary.last.ms;
    const bool due = save_every > 0 && trainer.state().step % save_every == 0;
    if (!out.empty() && due && !trainer.done() && !trainer.must_restart()) {
      trainer.save(out);
      saved = trainer.state().step;
    }
  }
  display.finish();
  if (!trainer.done() && !interrupted) trainer.note_restart();
  if (!out.empty() && saved != trainer.state().step) trainer.save(out);
}

nlohmann::json summary_json(const Summary& s, const Trainer& trainer, const TrainingPlace& place,
                            const RunFolder& folder) {
  nlohmann::json json = {
      {"out", folder.metrics.string()},
      {"step", trainer.state().step},
      {"updates", s.updates},
      {"parameters", trainer.parameters().count()},
      {"tokens", s.tokens},
      {"ms", s.ms},
      {"tokens_per_s", s.ms > 0 ? static_cast<double>(s.tokens) / s.ms * 1e3 : 0},
      {"interrupted", interrupted != 0}};
  if (place.device.info().simulated) json["simulated"] = true;
  if (folder.metrics.empty()) json.erase("out");
  if (!folder.checkpoints.empty() && s.last.step > 0) {
    json["loss"] = s.last.loss;
    json["grad_norm"] = s.last.gradient_norm;
    json["lr"] = s.last.learning_rate;
    if (s.last.validation_loss) json["val_loss"] = *s.last.validation_loss;
  }
  return json;
}

std::string stopped(const Trainer& trainer, const RunFolder& folder) {
  const std::string text = fmt::format("stopped after update {}", trainer.state().step);
  const std::string out = folder.checkpoints.string();
  return text + (out.empty() ? "\n" : fmt::format("; --resume {} goes on\n", out));
}

// The command line that goes on where `out` has stopped.
std::vector<std::string> resuming(const std::vector<std::string>& arguments, const fs::path& out,
                                  const Summary& summary) {
  std::vector<std::string> result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--continued") {
      i += 2;  // and its values
    } else if (arguments[i] == "--out") {
      result.push_back("--resume");
    } else if (arguments[i].starts_with("--out=")) {
      result.push_back("--resume=" + out.string());
    } else {
      result.push_back(arguments[i]);
    }
  }
  result.insert(result.end(),
                {"--continued", fmt::format("{}", summary.updates), fmt::format("{}", summary.ms)});
  return result;
}

void check_flags(const TrainFlags& o) {
  if (o.only_time()) {
    if (o.resume.empty()) return;
    fail("--resume", "with --values off there is nothing to resume",
         "--out DIR keeps metrics.jsonl and the report");
  }
  if (o.out.empty() == o.resume.empty()) fail("--out", "give either --out or --resume");
}

TrainDisplay::Style display_style(const TrainFlags& o) {
  if (o.quiet || o.only_time()) return TrainDisplay::Style::kQuiet;
  return o.progress == "bar" ? TrainDisplay::Style::kBar : TrainDisplay::Style::kLines;
}

ModelWeights weights_of(const TrainFlags& o, const TrainOptions& options,
                        const fs::path& checkpoint) {
  if (o.only_time()) {
    ModelWeights weights{config_of(options.model), {}};
    weights.config.lora = options.lora();
    return weights;
  }
  return starting_weights(options, checkpoint);
}

// A run that is there for its report needs no directory: it gets one that is removed with it.
void give_directory(TrainFlags& o, std::vector<std::string>& arguments) {
  const bool measures = o.report || !o.report_json.empty() || !o.trace.empty();
  if (o.only_time() || !measures || !o.out.empty() || !o.resume.empty()) return;
  o.out = make_scratch_folder(temporary_root()).string();
  o.discard = true;
  arguments.insert(arguments.end(), {"--out", o.out, "--discard"});
}

// Starting the program again does not end in here, so that the directory is still there then.
struct Discarded {
  fs::path folder;  // empty for one that stays
  ~Discarded() {
    std::error_code ignored;
    if (!folder.empty()) fs::remove_all(folder, ignored);
  }
};

void train(TrainFlags o, std::vector<std::string> arguments) {
  give_directory(o, arguments);
  const Discarded discarded{!o.discard ? "" : o.out.empty() ? o.resume : o.out};
  check_flags(o);
  const fs::path checkpoint = o.resume.empty() ? fs::path() : resolve_checkpoint(o.resume);
  TrainerState state = starting_state(o, checkpoint);
  state.options.validate();
  if (o.continued.empty()) note_flags_without_effect(o, state.options);
  const fs::path out = output_directory(o);
  const RunFolder folder{out, o.only_time() ? fs::path() : out};
  for (const std::string& file : {o.trace, o.report_json}) check_writable(file, out);

  const DeviceOptions device_options{state.options.device, o.ane_route, state.options.threads};
  ThreadPool pool(device_options.thread_count());
  const DeviceSettings settings = {.values = !o.only_time(),
                                   .strict = state.options.strict,
                                   .ane_route = o.ane_route,
                                   .bf16 = state.options.dtype == "bf16",
                                   .chips = o.chips};
  const auto device = make_device(state.options.device, pool, settings);
  if (o.only_time() && !device->simulation()) {
    fail("--values", "only a simulated device can do without values", "--device sim:m4-max");
  }
  const auto host = make_host(*device, pool, settings);
  Timeline timeline(o.trace.empty() ? 1 << 14 : 1 << 20);
  const TrainingPlace place{*device, *host, pool, placement_of(state.options, *device), &timeline};
  const int64_t first = state.step;
  ModelWeights weights = weights_of(o, state.options, checkpoint);
  Trainer trainer(place, std::move(state), std::move(weights));
  if (!checkpoint.empty()) trainer.restore(checkpoint);
  check_tokenizer(o.given.tokenizer, trainer.parameters().config().vocab_size,
                  trainer.state().options);
  prepare_output(o, out, first);

  if (o.continued.empty()) {
    if (!o.quiet) print(headline(trainer, place));
    // What is computed otherwise than asked for is never quiet.
    for (const std::string& note : trainer.program().notes()) print("note: " + note + "\n");
  }
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
  interrupts_are(Signals::kFree);
  TrainDisplay display(display_style(o), first, trainer.state().options.steps);
  Summary summary = summary_so_far(o, trainer.state().options);
  run_updates(trainer, !checkpoint.empty(), folder, display, summary);
  interrupts_are(Signals::kHeld);
  if (!o.only_time() && !trainer.done() && !interrupted) {
    if (!o.quiet) {
      print(fmt::format("{} compiles no more programs in this process: going on in a new one\n",
                        device->info().name));
    }
    restart_program(resuming(arguments, out, summary));
  }
  interrupts_are(Signals::kFree);
  if (!o.quiet) {
    if (!o.report) print(step_breakdown(timeline, trainer.state().step - first));
    if (interrupted) print(stopped(trainer, folder));
  }
  write_reports(o, out, trainer, place);
  if (o.json) print_json(summary_json(summary, trainer, place, folder));
}

}  // namespace

void add_train(CLI::App& app, const Arguments& arguments) {
  CLI::App* command = app.add_subcommand("train", "Train a model, from scratch or further");
  auto flags = std::make_shared<TrainFlags>();
  add_flags(*command, *flags);
  command->callback([flags, &arguments] { train(*flags, arguments); });
}

}  // namespace anemone::cli
