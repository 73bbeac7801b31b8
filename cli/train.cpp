#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>

#include "anemone/base/file.h"
#include "anemone/base/process.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/data/shard_metadata.h"
#include "anemone/data/tokenizer.h"
#include "anemone/devices/all_devices.h"
#include "anemone/train/efficiency_report.h"
#include "anemone/weights/hf_directory.h"
#include "anemone/weights/load_model.h"
#include "cli/commands.h"
#include "cli/metrics_file.h"
#include "cli/terminal.h"
#include "cli/train_display.h"
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
  for (const auto& [option, apply] : o.overrides) {
    if (option->count() > 0) apply(state.options);
  }
  // Published steps of engines are of one sequence.
  const bool batch_given = o.batch->count() > 0 || !o.resume.empty();
  if (!batch_given && state.options.device != "cpu") state.options.batch = 1;
  if (state.options.seed != seed) state.position.random_state = state.options.seed;
  if (!o.init.empty()) state.options.from_scratch = true;
  return state;
}

ModelWeights starting_weights(const TrainOptions& options, const fs::path& checkpoint) {
  if (!checkpoint.empty()) return load_model(checkpoint);
  if (const auto preset = llama_preset(options.model)) {
    return initial_weights(*preset, options.seed);
  }
  // New weights need the configuration alone.
  if (options.from_scratch && fs::exists(fs::path(options.model) / "config.json")) {
    std::vector<std::string> notes;
    const LlamaConfig config = read_hf_config(options.model, &notes);
    print_notes(notes);
    return initial_weights(config, options.seed);
  }
  ModelWeights weights = load_weights_of(options.model);
  return options.from_scratch ? initial_weights(weights.config, options.seed) : std::move(weights);
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

void keep_tokenizer(const std::string& given, const fs::path& out) {
  if (given.empty()) return;
  const bool sentencepiece = fs::path(given).extension() == ".model";
  const fs::path copy = out / (sentencepiece ? "tokenizer.model" : "tokenizer.bin");
  std::error_code ignored;
  if (!fs::equivalent(given, copy, ignored)) write_file(copy, read_file(given));
}

fs::path output_directory(const TrainFlags& o) {
  if (!o.resume.empty()) {
    if (fs::exists(fs::path(o.resume) / "latest")) return o.resume;
    fail(o.resume, "it is no run's directory: it has no file 'latest'",
         "give the directory that was --out");
  }
  for (const char* name : {"latest", "metrics.jsonl", "config.json"}) {
    if (!fs::exists(fs::path(o.out) / name)) continue;
    fail(o.out, fmt::format("it already holds a {}", *name == 'c' ? "model" : "training run"),
         "continue a run with --resume, or give another --out");
  }
  return o.out;
}

// The pipeline by its name or from a file; without either what suits the device.
Placement placement_of(const TrainOptions& options, const Device& device) {
  const bool is_cpu = !device.info().simulated && device.info().float_type == DType::kFp32;
  const std::string name = !options.pipeline.empty() ? options.pipeline
                           : is_cpu                  ? "host"
                                                     : "dynamic";
  if (!name.ends_with(".json")) return find_pipeline(name);
  return parse_placement(read_file(name), name);
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

std::string headline(const Trainer& trainer, const TrainingPlace& place) {
  const TrainOptions& t = trainer.state().options;
  const LlamaConfig& config = trainer.parameters().config();
  const DeviceInfo& device = place.device.info();
  const ProgramCounts programs = trainer.program().counts();
  const double compile_ms = trainer.program().compile_ms();
  std::string text = fmt::format(
      "{} parameters ({} layers, dim {}, {} heads, {} key/value heads, vocabulary {})\n"
      "{} x {} tokens{} a micro-step, {} an update\n"
      "on {} ({}{})\n"
      "pipeline {}: {}{}\n",
      with_commas(config.parameter_count()), config.layers, config.dim, config.heads,
      config.kv_heads, config.vocab_size, t.batch, t.sequence, padded_to(trainer),
      counted(t.accumulation, "micro-step"), device.name, device.description,
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

// Returns when all is done, when somebody interrupts, or when the device will not compile the
// programs of the next update in this process.
void run_updates(Trainer& trainer, bool resumed, const fs::path& out, TrainDisplay& display,
                 Summary& summary) {
  std::optional<MetricsFile> metrics;
  if (!out.empty()) metrics.emplace(out / "metrics.jsonl");
  const int64_t save_every = trainer.state().options.save_every;
  // A checkpoint is never written over itself: there would be a moment without one.
  std::optional<int64_t> saved;
  if (resumed) saved = trainer.state().step;
  while (!trainer.done() && !interrupted && (out.empty() || !trainer.must_restart())) {
    summary.last = trainer.update();
    if (metrics) metrics->append(metrics_line(summary.last));
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
                            const fs::path& out) {
  nlohmann::json json = {
      {"out", out.string()},
      {"step", trainer.state().step},
      {"updates", s.updates},
      {"parameters", trainer.parameters().count()},
      {"tokens", s.tokens},
      {"ms", s.ms},
      {"tokens_per_s", s.ms > 0 ? static_cast<double>(s.tokens) / s.ms * 1e3 : 0},
      {"interrupted", interrupted != 0}};
  if (place.device.info().simulated) json["simulated"] = true;
  if (out.empty()) json.erase("out");  // nor is there a loss
  if (!out.empty() && s.last.step > 0) {
    json["loss"] = s.last.loss;
    json["grad_norm"] = s.last.gradient_norm;
    json["lr"] = s.last.learning_rate;
    if (s.last.validation_loss) json["val_loss"] = *s.last.validation_loss;
  }
  return json;
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

// Before hours of training and not after them. `out` need not be there yet.
void check_writable(const fs::path& file, const fs::path& out) {
  if (file.empty()) return;
  if (fs::is_directory(file)) fail_io(file.string(), "write", EISDIR);
  const auto directory_of = [](const fs::path& path) {
    return fs::absolute(path).lexically_normal().parent_path();
  };
  const fs::path parent = directory_of(file);
  if (!out.empty() && parent == directory_of(out / "any")) return;
  const fs::path& place = fs::exists(file) ? file : parent;
  if (::access(place.c_str(), W_OK) != 0) fail_io(file.string(), "write", errno);
}

// Reports and the trace, at the end of a run.
void write_reports(const TrainFlags& o, Trainer& trainer, const TrainingPlace& place) {
  if (!o.trace.empty()) {
    write_file(o.trace, chrome_trace(*place.timeline, place.device.info().name) + "\n");
  }
  if (!o.report && o.report_json.empty()) return;
  const EfficiencyReport report = make_report(trainer, place);
  if (o.report) print(to_text(report));
  if (!o.report_json.empty()) write_file(o.report_json, to_json(report).dump(2) + "\n");
}

void check_flags(const TrainFlags& o) {
  if (o.only_time()) {
    const std::string& given = !o.out.empty() ? "--out" : !o.resume.empty() ? "--resume" : "";
    if (!given.empty()) fail(given, "with --values off there is nothing to save or to resume");
  } else if (o.out.empty() == o.resume.empty()) {
    fail("--out", "give either --out or --resume");
  }
}

TrainDisplay::Style display_style(const TrainFlags& o) {
  if (o.quiet || o.only_time()) return TrainDisplay::Style::kQuiet;
  return o.progress == "bar" ? TrainDisplay::Style::kBar : TrainDisplay::Style::kLines;
}

void prepare_output(const TrainFlags& o, const fs::path& out, int64_t first_step) {
  if (out.empty()) return;
  make_writable_directory(out);
  keep_tokenizer(o.given.tokenizer, out);
  if (!o.resume.empty()) drop_lines_after(out / "metrics.jsonl", first_step);
}

ModelWeights weights_of(const TrainFlags& o, const TrainOptions& options,
                        const fs::path& checkpoint) {
  if (!o.only_time()) return starting_weights(options, checkpoint);
  if (const auto preset = llama_preset(options.model)) return {*preset, {}};
  if (fs::exists(fs::path(options.model) / "config.json")) {
    return {read_hf_config(options.model), {}};
  }
  return {load_weights_of(options.model).config, {}};
}

// A run that is there for its report needs no directory: it gets one that goes away with it.
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
  const fs::path out = o.only_time() ? fs::path() : output_directory(o);
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
  run_updates(trainer, !checkpoint.empty(), out, display, summary);
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
    if (interrupted) {
      print(fmt::format("stopped after update {}; --resume {} goes on\n", trainer.state().step,
                        out.string()));
    }
  }
  write_reports(o, trainer, place);
  if (o.json) print_json(summary_json(summary, trainer, place, out));
}

}  // namespace

void add_train(CLI::App& app, std::vector<std::string> arguments) {
  CLI::App* command = app.add_subcommand("train", "Train a model, from scratch or further");
  auto flags = std::make_shared<TrainFlags>();
  add_flags(*command, *flags);
  command->callback([flags, arguments = std::move(arguments)] { train(*flags, arguments); });
}

}  // namespace anemone::cli
