#include "cli/train_flags.h"

#include "cli/terminal.h"

namespace anemone::cli {
namespace {

// Declares a flag bound to a member of TrainOptions, remembered as an override for --resume.
template <typename Access>
CLI::Option* flag(CLI::App& app, TrainFlags& o, const char* name, const char* help, Access access) {
  auto& member = access(o.given);
  CLI::Option* option = app.add_option(name, member, help)->capture_default_str();
  o.overrides.emplace_back(option,
                           [&o, access](TrainOptions& to) { access(to) = access(o.given); });
  return option;
}

#define MEMBER(path) \
  [](TrainOptions & t) -> auto& { return t.path; }

void add_run_flags(CLI::App& app, TrainFlags& o) {
  flag(app, o, "--model", "Preset, llama2.c file, Hugging Face directory or run", MEMBER(model));
  app.add_option("--init", o.init, "scratch: new random weights")
      ->check(CLI::IsMember({"scratch"}));
  flag(app, o, "--data", "Token shard to train on", MEMBER(data));
  flag(app, o, "--val", "Token shard for the validation loss", MEMBER(validation));
  flag(app, o, "--tokenizer", "Vocabulary, kept with the run", MEMBER(tokenizer));
  app.add_option("--out", o.out,
                 "Directory for checkpoints and metrics.jsonl; with --values off metrics.jsonl and "
                 "report.json");
  app.add_option("--resume", o.resume, "Directory of an earlier --out to go on with");
  flag(app, o, "--train", "Parameters to train, as patterns; others stay as they are",
       MEMBER(train))
      ->expected(1, 1 << 20);
  flag(app, o, "--freeze", "Parameters that stay as they are, as patterns", MEMBER(freeze))
      ->expected(1, 1 << 20);
  flag(app, o, "--lora-rank", "LoRA: rank of the adapters that are trained; 0: none",
       MEMBER(lora_rank));
  flag(app, o, "--lora-alpha", "LoRA: their products count alpha / rank times", MEMBER(lora_alpha));
  flag(app, o, "--lora-targets", "LoRA: modules that get one, q_proj,v_proj,…",
       MEMBER(lora_targets))
      ->delimiter(',');
  flag(app, o, "--save-every", "Updates between checkpoints; 0: at the end", MEMBER(save_every));
  flag(app, o, "--eval-every", "Updates between validations; 0: at the end", MEMBER(eval_every));
  o.eval_windows = flag(app, o, "--eval-windows", "Windows of a validation", MEMBER(eval_windows));
  app.add_flag("--json", o.json, "The last line on standard output is one JSON object");
  app.add_flag("--quiet", o.quiet, "No lines per update");
  app.add_flag("--discard", o.discard)->group("");                     // not for people
  app.add_option("--continued", o.continued)->expected(2)->group("");  // not for people
  app.add_option("--progress", o.progress, "lines or bar")
      ->check(CLI::IsMember({"lines", "bar"}))
      ->capture_default_str();
}

}  // namespace

void add_place_flags(CLI::App& app, TrainFlags& o) {
  flag(app, o, "--device", "Where programs run; `anemone devices` lists them", MEMBER(device));
  flag(app, o, "--threads", "CPU threads; 0 takes all", MEMBER(threads));
  flag(app, o, "--dtype", "Of the operands of matrix products on the CPU: fp32 or bf16",
       MEMBER(dtype));
  flag(app, o, "--pipeline",
       "host, static, static-ane, static-lora, dynamic, or FILE.json: what the device does; the "
       "default is host "
       "on the CPU, else dynamic",
       MEMBER(pipeline));
  CLI::Option* strict =
      app.add_flag("--strict", o.given.strict, "What the device refuses or gets wrong is an error");
  o.overrides.emplace_back(strict, [&o](TrainOptions& t) { t.strict = o.given.strict; });
  flag(app, o, "--loss-scale", "0: dynamic where programs are fp16, else 1", MEMBER(loss_scale));
}

namespace {

void add_device_flags(CLI::App& app, TrainFlags& o) {
  add_place_flags(app, o);
  app.add_option("--values", o.values, "off: a simulated device only predicts times")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  app.add_option("--ane-route", o.ane_route, "To the Neural Engine: auto, e5rt or inmemory")
      ->capture_default_str();
  app.add_option("--chips", o.chips, "Table of chips instead of the built-in one, JSON");
  app.add_flag("--report", o.report, "Efficiency report at the end");
  app.add_option("--report-json", o.report_json, "The same as JSON, to a file");
  app.add_option("--trace", o.trace, "Timeline for Perfetto or chrome://tracing, to a file");
}

void add_training_flags(CLI::App& app, TrainFlags& o) {
  CLI::Option* recompute = app.add_flag(
      "--recompute", o.given.recompute,
      "Activation checkpointing: layers keep their inputs alone and compute the rest again");
  o.overrides.emplace_back(recompute, [&o](TrainOptions& t) { t.recompute = o.given.recompute; });
  add_batch_flag(app, o, "Sequences of a micro-step; 1 on other devices than the CPU");
  flag(app, o, "--seq", "Tokens of a sequence", MEMBER(sequence));
  flag(app, o, "--accum", "Micro-steps of an update", MEMBER(accumulation));
  add_update_flags(app, o);
  CLI::Option* order = app.add_option("--order", o.order, "random or sequential")
                           ->check(CLI::IsMember({"random", "sequential"}))
                           ->capture_default_str();
  o.overrides.emplace_back(order, [&o](TrainOptions& t) {
    t.order = o.order == "sequential" ? Order::kSequential : Order::kRandom;
  });
}

}  // namespace

void add_batch_flag(CLI::App& app, TrainFlags& o, const char* help) {
  o.batch = flag(app, o, "--batch", help, MEMBER(batch));
}

void add_update_flags(CLI::App& app, TrainFlags& o) {
  flag(app, o, "--steps", "Updates in all", MEMBER(steps));
  flag(app, o, "--lr", "Learning rate", MEMBER(learning_rate));
  o.min_lr = flag(app, o, "--min-lr", "Where the cosine ends", MEMBER(minimum_learning_rate));
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
}

#undef MEMBER

void add_flags(CLI::App& app, TrainFlags& flags) {
  add_run_flags(app, flags);
  add_device_flags(app, flags);
  add_training_flags(app, flags);
}

std::string pipeline_name(const TrainOptions& options, const DeviceInfo& device) {
  if (!options.pipeline.empty()) return options.pipeline;
  return !device.simulated && device.float_type == DType::kFp32 ? "host" : "dynamic";
}

void apply_given(const TrainFlags& flags, TrainOptions& options) {
  for (const auto& [option, apply] : flags.overrides) {
    if (option->count() > 0) apply(options);
  }
}

void note_update_flags_without_effect(const TrainFlags& flags, const TrainOptions& o) {
  const bool cosine = o.schedule == Schedule::Kind::kCosine;
  if (o.warmup > o.steps && o.steps > 0) {
    note(
        fmt::format("--warmup {} is longer than --steps {}: the learning rate never reaches --lr "
                    "(at the end it is {:.3g} of {:.3g})",
                    o.warmup, o.steps, o.make_schedule().at(o.steps - 1), o.learning_rate));
  }
  if (cosine && o.minimum_learning_rate > o.learning_rate) {
    note(fmt::format("--min-lr {:g} is above --lr {:g}: the cosine rises", o.minimum_learning_rate,
                     o.learning_rate));
  }
  if (!cosine && flags.min_lr->count() > 0) {
    note("--min-lr has no effect without --schedule cosine");
  }
}

void note_flags_without_effect(const TrainFlags& flags, const TrainOptions& o) {
  note_update_flags_without_effect(flags, o);
  if (flags.only_time() || !o.validation.empty()) return;
  if (o.eval_every > 0) note("--eval-every has no effect without --val");
  if (flags.eval_windows->count() > 0) note("--eval-windows has no effect without --val");
}

}  // namespace anemone::cli
