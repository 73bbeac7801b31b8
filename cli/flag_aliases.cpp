#include "cli/flag_aliases.h"

#include <algorithm>

namespace anemone::cli {
namespace {

struct Alias {
  const char *other, *ours;
};

// A verb that has a flag of the other name keeps it.
constexpr Alias kFlags[] = {
    {"-m", "--model"},
    {"--model-path", "--model"},
    {"--model-name-or-path", "--model"},
    {"--checkpoint", "--model"},
    {"--train-data", "--data"},
    {"--train-file", "--data"},
    {"--dataset", "--data"},
    {"--val-data", "--val"},
    {"--valid-data", "--val"},
    {"--validation-data", "--val"},
    {"--validation-file", "--val"},
    {"-z", "--tokenizer"},
    {"--tokenizer-path", "--tokenizer"},
    {"-o", "--out"},
    {"--output", "--out"},
    {"--output-dir", "--out"},
    {"--out-dir", "--out"},
    {"--out", "--output"},
    {"--output-dir", "--output"},
    {"--out-dir", "--output"},
    {"--resume-from", "--resume"},
    {"--resume-from-checkpoint", "--resume"},
    {"--max-steps", "--steps"},
    {"--num-steps", "--steps"},
    {"--iters", "--steps"},
    {"--max-iters", "--steps"},
    {"--num-iterations", "--steps"},
    {"--batch-size", "--batch"},
    {"--micro-batch-size", "--batch"},
    {"--per-device-train-batch-size", "--batch"},
    {"--seq-len", "--seq"},
    {"--seq-length", "--seq"},
    {"--sequence-length", "--seq"},
    {"--max-seq-len", "--seq"},
    {"--max-seq-length", "--seq"},
    {"--block-size", "--seq"},
    {"--context-length", "--seq"},
    {"--ctx-size", "--seq"},
    {"--accum-steps", "--accum"},
    {"--grad-accum", "--accum"},
    {"--grad-accum-steps", "--accum"},
    {"--accumulation-steps", "--accum"},
    {"--gradient-accumulation", "--accum"},
    {"--gradient-accumulation-steps", "--accum"},
    {"--learning-rate", "--lr"},
    {"--min-learning-rate", "--min-lr"},
    {"--warmup-steps", "--warmup"},
    {"--warmup-iters", "--warmup"},
    {"--num-warmup-steps", "--warmup"},
    {"--lr-schedule", "--schedule"},
    {"--lr-scheduler", "--schedule"},
    {"--lr-scheduler-type", "--schedule"},
    {"--adam-beta1", "--beta1"},
    {"--adam-beta2", "--beta2"},
    {"--adam-epsilon", "--eps"},
    {"--epsilon", "--eps"},
    {"--wd", "--weight-decay"},
    {"--grad-clip", "--clip"},
    {"--clip-grad", "--clip"},
    {"--clip-grad-norm", "--clip"},
    {"--max-grad-norm", "--clip"},
    {"--save-steps", "--save-every"},
    {"--save-interval", "--save-every"},
    {"--checkpoint-every", "--save-every"},
    {"--eval-steps", "--eval-every"},
    {"--eval-interval", "--eval-every"},
    {"--val-every", "--eval-every"},
    {"--val-loss-every", "--eval-every"},
    {"--eval-iters", "--eval-windows"},
    {"-s", "--seed"},
    {"--random-seed", "--seed"},
    {"--gradient-checkpointing", "--recompute"},
    {"--activation-checkpointing", "--recompute"},
    {"--lora-r", "--lora-rank"},
    {"--target-modules", "--lora-targets"},
    {"--lora-target-modules", "--lora-targets"},
    {"--lora", "--adapter"},
    {"--adapter-path", "--adapter"},
    {"--num-threads", "--threads"},
    {"--n-threads", "--threads"},
    {"--torch-dtype", "--dtype"},
    {"-p", "--prompt"},
    {"--system-prompt", "--system"},
    {"--chat-template", "--chat-format"},
    {"-n", "--tokens"},
    {"--n-predict", "--tokens"},
    {"--predict", "--tokens"},
    {"--max-tokens", "--tokens"},
    {"--max-new-tokens", "--tokens"},
    {"--num-tokens", "--tokens"},
    {"--temp", "--temperature"},
    {"--model-draft", "--draft-model"},
    {"--draft-max", "--num-draft-tokens"},
    {"--num-assistant-tokens", "--num-draft-tokens"},
    {"--vocab-size", "--vocab"},
};

constexpr Alias kVerbs[] = {
    {"fine-tune", "finetune"}, {"sample", "generate"}, {"complete", "generate"},
    {"evaluate", "eval"},      {"benchmark", "bench"}, {"self-test", "selftest"},
};

bool has_flag(const CLI::App& verb, const std::string& name) {
  return verb.get_option_no_throw(name) != nullptr;
}

bool has_verb(const CLI::App& app, std::string_view name) {
  return !app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == name; })
              .empty();
}

}  // namespace

std::string flag_for(const CLI::App& verb, const std::string& name) {
  if (has_flag(verb, name)) return "";
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  if (dashed.starts_with("--") && has_flag(verb, dashed)) return dashed;
  for (const Alias& alias : kFlags) {
    if (dashed == alias.other && has_flag(verb, alias.ours)) return alias.ours;
  }
  return "";
}

std::string verb_for(const CLI::App& app, std::string_view name) {
  if (has_verb(app, name)) return "";
  for (const Alias& alias : kVerbs) {
    if (name == alias.other && has_verb(app, alias.ours)) return alias.ours;
  }
  return "";
}

std::vector<std::string> flag_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (!option->get_group().empty()) names.push_back("--" + name);
    }
  }
  for (const Alias& alias : kFlags) {
    const bool is_long = std::string_view(alias.other).starts_with("--");
    if (is_long && has_flag(verb, alias.ours)) names.emplace_back(alias.other);
  }
  return names;
}

}  // namespace anemone::cli
