#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <sstream>

#include "anemone/base/file.h"
#include "anemone/data/tokenizer.h"
#include "anemone/devices/all_devices.h"
#include "anemone/train/trainer.h"
#include "anemone/weights/hf_directory.h"
#include "anemone/weights/load_model.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/train_display.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  TrainOptions given;  // values of the flags that are there
  std::string init, out, resume, schedule = "constant", order = "random", progress = "lines";
  bool json = false, quiet = false;
  // Copies one given flag into the options of a run.
  std::vector<std::pair<CLI::Option*, std::function<void(TrainOptions&)>>> overrides;
};

volatile std::sig_atomic_t interrupted = 0;

// --- metrics.jsonl ---

std::string metrics_line(const UpdateMetrics& m) {
  nlohmann::json json = {
      {"step", m.step},        {"loss", m.loss},     {"grad_norm", m.gradient_norm},
      {"lr", m.learning_rate}, {"tokens", m.tokens}, {"ms", m.ms}};
  if (m.validation_loss) json["val_loss"] = *m.validation_loss;
  return json.dump() + "\n";
}

// Lines of updates that the checkpoint does not know will be written again.
void drop_lines_after(const fs::path& path, int64_t step) {
  if (!fs::exists(path)) return;
  std::istringstream lines(read_file(path));
  std::string kept, line;
  while (std::getline(lines, line)) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) continue;
    if (json["step"] <= step) kept += line + "\n";
  }
  write_file(path, kept);
}

class MetricsFile {
 public:
  explicit MetricsFile(fs::path path) : path_(std::move(path)) {
    file_ = std::fopen(path_.c_str(), "a");
    if (!file_) fail_io(path_.string(), "write", errno);
  }
  ~MetricsFile() { std::fclose(file_); }
  void append(const std::string& line) {
    if (std::fputs(line.c_str(), file_) < 0 || std::fflush(file_) != 0) {
      fail_io(path_.string(), "write", errno);
    }
  }

 private:
  fs::path path_;
  std::FILE* file_;
};

// --- setting up ---

// A run that goes on has its weights. Saying again what it started from is fine, so that a command
// line can be repeated with --resume in the place of --out; saying something else is not.
void check_same_start(const Options& o, const TrainOptions& stored) {
  const char* const hint = "start another one with --out";
  if (!o.given.model.empty() && o.given.model != stored.model) {
    fail("--model", "a run that is resumed keeps its model, " + stored.model, hint);
  }
  if (!o.init.empty() && !stored.from_scratch && !is_preset(stored.model)) {
    fail("--init", "a run that is resumed keeps its weights", hint);
  }
}

TrainerState starting_state(const Options& o, const fs::path& checkpoint) {
  TrainerState state;
  if (!o.resume.empty()) {
    state = read_trainer_state(checkpoint);
    check_same_start(o, state.options);
  } else if (o.given.model.empty() || o.given.data.empty()) {
    fail(o.given.model.empty() ? "--model" : "--data", "it is required");
  }
  const uint64_t seed = state.options.seed;
  for (const auto& [option, apply] : o.overrides) {
    if (option->count() > 0) apply(state.options);
  }
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
    return initial_weights(read_hf_config(options.model), options.seed);
  }
  ModelWeights weights = load_weights_of(options.model);
  return options.from_scratch ? initial_weights(weights.config, options.seed) : std::move(weights);
}

// The vocabulary goes with the run, so that `generate --model OUT` finds it. `given` on this
// command line: a run that goes on has its own already.
void check_tokenizer(const std::string& given, int64_t vocab_size) {
  if (!given.empty()) load_tokenizer(given, static_cast<int>(vocab_size));
}

void keep_tokenizer(const std::string& given, const fs::path& out) {
  if (given.empty()) return;
  const bool sentencepiece = fs::path(given).extension() == ".model";
  const fs::path copy = out / (sentencepiece ? "tokenizer.model" : "tokenizer.bin");
  std::error_code ignored;
  if (!fs::equivalent(given, copy, ignored)) write_file(copy, read_file(given));
}

fs::path output_directory(const Options& o) {
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

std::string headline(const Trainer& trainer, const LlamaConfig& config, const DeviceInfo& device) {
  const TrainOptions& t = trainer.state().options;
  return fmt::format(
      "{} parameters ({} layers, dim {}, {} heads, {} key/value heads, vocabulary {})\n"
      "{} x {} tokens a micro-step, {} a step, on {} ({}, {} threads); {} programs in {:.0f} ms\n",
      with_commas(config.parameter_count()), config.layers, config.dim, config.heads,
      config.kv_heads, config.vocab_size, t.batch, t.sequence, t.accumulation, device.name,
      device.description, device.threads, trainer.program().programs(),
      trainer.program().compile_ms());
}

// --- running ---

struct Summary {
  UpdateMetrics last;
  int64_t updates = 0, tokens = 0;
  double ms = 0;
};

Summary run_updates(Trainer& trainer, bool resumed, const fs::path& out, TrainDisplay& display) {
  Summary summary;
  MetricsFile metrics(out / "metrics.jsonl");
  const int64_t save_every = trainer.state().options.save_every;
  // A checkpoint is never written over itself: there would be a moment without one.
  std::optional<int64_t> saved;
  if (resumed) saved = trainer.state().step;
  while (!trainer.done() && !interrupted) {
    summary.last = trainer.update();
    metrics.append(metrics_line(summary.last));
    display.show(summary.last);
    ++summary.updates;
    summary.tokens += summary.last.tokens;
    summary.ms += summary.last.ms;
    if (save_every > 0 && trainer.state().step % save_every == 0 && !trainer.done()) {
      trainer.save(out);
      saved = trainer.state().step;
    }
  }
  display.finish();
  if (saved != trainer.state().step) trainer.save(out);
  return summary;
}

nlohmann::json summary_json(const Summary& s, Trainer& trainer, const fs::path& out) {
  nlohmann::json json = {
      {"out", out.string()},
      {"step", trainer.state().step},
      {"updates", s.updates},
      {"parameters", trainer.parameters().count()},
      {"tokens", s.tokens},
      {"ms", s.ms},
      {"tokens_per_s", s.ms > 0 ? static_cast<double>(s.tokens) / s.ms * 1e3 : 0},
      {"interrupted", interrupted != 0}};
  if (s.updates > 0) {
    json["loss"] = s.last.loss;
    json["grad_norm"] = s.last.gradient_norm;
    json["lr"] = s.last.learning_rate;
    if (s.last.validation_loss) json["val_loss"] = *s.last.validation_loss;
  }
  return json;
}

void train(const Options& o) {
  if (o.out.empty() == o.resume.empty()) fail("--out", "give either --out or --resume");
  const fs::path checkpoint = o.resume.empty() ? fs::path() : resolve_checkpoint(o.resume);
  TrainerState state = starting_state(o, checkpoint);
  state.options.validate();
  const fs::path out = output_directory(o);

  const DeviceOptions device_options{state.options.device, state.options.threads};
  ThreadPool pool(device_options.thread_count());
  const auto device = make_device(state.options.device, pool);
  Timeline timeline;
  const int64_t first = state.step;
  ModelWeights weights = starting_weights(state.options, checkpoint);
  Trainer trainer(*device, pool, std::move(state), std::move(weights), &timeline);
  if (!checkpoint.empty()) trainer.restore(checkpoint);
  const LlamaConfig& config = trainer.parameters().config();
  check_tokenizer(o.given.tokenizer, config.vocab_size);
  make_writable_directory(out);
  keep_tokenizer(o.given.tokenizer, out);
  if (!o.resume.empty()) drop_lines_after(out / "metrics.jsonl", first);

  if (!o.quiet) print(headline(trainer, config, device->info()));
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
  const auto style = o.quiet               ? TrainDisplay::Style::kQuiet
                     : o.progress == "bar" ? TrainDisplay::Style::kBar
                                           : TrainDisplay::Style::kLines;
  TrainDisplay display(style, first, trainer.state().options.steps);
  const Summary summary = run_updates(trainer, !checkpoint.empty(), out, display);
  if (!o.quiet) {
    print(step_breakdown(timeline, summary.updates));
    if (interrupted) {
      print(fmt::format("stopped after update {}; --resume {} goes on\n", trainer.state().step,
                        out.string()));
    }
  }
  if (o.json) print_json(summary_json(summary, trainer, out));
}

// --- the command line ---

// Declares a flag bound to a member of TrainOptions, remembered as an override for --resume.
template <typename Access>
CLI::Option* flag(CLI::App& app, Options& o, const char* name, const char* help, Access access) {
  auto& member = access(o.given);
  CLI::Option* option = app.add_option(name, member, help)->capture_default_str();
  o.overrides.emplace_back(option,
                           [&o, access](TrainOptions& to) { access(to) = access(o.given); });
  return option;
}

#define MEMBER(path) \
  [](TrainOptions & t) -> auto& { return t.path; }

void add_run_flags(CLI::App& app, Options& o) {
  flag(app, o, "--model", "Preset, llama2.c file or Hugging Face directory", MEMBER(model));
  app.add_option("--init", o.init, "scratch: new random weights")
      ->check(CLI::IsMember({"scratch"}));
  flag(app, o, "--data", "Token shard to train on", MEMBER(data));
  flag(app, o, "--val", "Token shard for the validation loss", MEMBER(validation));
  flag(app, o, "--tokenizer", "Vocabulary, kept with the run", MEMBER(tokenizer));
  app.add_option("--out", o.out, "Directory for checkpoints and metrics.jsonl");
  app.add_option("--resume", o.resume, "Directory of an earlier --out to go on with");
  flag(app, o, "--device", "Where programs run", MEMBER(device));
  flag(app, o, "--threads", "CPU threads; 0 takes all", MEMBER(threads));
  flag(app, o, "--save-every", "Updates between checkpoints; 0: at the end", MEMBER(save_every));
  flag(app, o, "--eval-every", "Updates between validations; 0: at the end", MEMBER(eval_every));
  flag(app, o, "--eval-windows", "Windows of a validation", MEMBER(eval_windows));
  app.add_flag("--json", o.json, "The last line on standard output is one JSON object");
  app.add_flag("--quiet", o.quiet, "No lines per update");
  app.add_option("--progress", o.progress, "lines or bar")
      ->check(CLI::IsMember({"lines", "bar"}))
      ->capture_default_str();
}

void add_training_flags(CLI::App& app, Options& o) {
  flag(app, o, "--steps", "Updates in all", MEMBER(steps));
  flag(app, o, "--batch", "Sequences of a micro-step", MEMBER(batch));
  flag(app, o, "--seq", "Tokens of a sequence", MEMBER(sequence));
  flag(app, o, "--accum", "Micro-steps of an update", MEMBER(accumulation));
  flag(app, o, "--lr", "Learning rate", MEMBER(learning_rate));
  flag(app, o, "--min-lr", "Where the cosine ends", MEMBER(minimum_learning_rate));
  flag(app, o, "--warmup", "Updates of linear warm-up", MEMBER(warmup));
  flag(app, o, "--beta1", "AdamW", MEMBER(optimizer.beta1));
  flag(app, o, "--beta2", "AdamW", MEMBER(optimizer.beta2));
  flag(app, o, "--eps", "AdamW", MEMBER(optimizer.epsilon));
  flag(app, o, "--weight-decay", "AdamW, on matrices", MEMBER(optimizer.weight_decay));
  flag(app, o, "--clip", "Largest gradient norm; 0: off", MEMBER(optimizer.clip));
  flag(app, o, "--seed", "Of weights and data order", MEMBER(seed));
  CLI::Option* schedule = app.add_option("--schedule", o.schedule, "constant or cosine")
                              ->check(CLI::IsMember({"constant", "cosine"}))
                              ->capture_default_str();
  o.overrides.emplace_back(schedule, [&o](TrainOptions& t) {
    t.schedule = o.schedule == "cosine" ? Schedule::Kind::kCosine : Schedule::Kind::kConstant;
  });
  CLI::Option* order = app.add_option("--order", o.order, "random or sequential")
                           ->check(CLI::IsMember({"random", "sequential"}))
                           ->capture_default_str();
  o.overrides.emplace_back(order, [&o](TrainOptions& t) {
    t.order = o.order == "sequential" ? Order::kSequential : Order::kRandom;
  });
}

#undef MEMBER

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a model, from scratch or further");
  auto o = std::make_shared<Options>();
  add_run_flags(*command, *o);
  add_training_flags(*command, *o);
  command->callback([o] { train(*o); });
}

}  // namespace anemone::cli
