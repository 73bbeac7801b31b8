#include "anemone/train/train_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/train/loss_scale.h"

namespace anemone {
namespace {

void require_in(const char* flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  fail(flag, fmt::format("{} is outside [{}, {}]", value, least, most));
}

void require_in(const char* flag, double value, double low, double below) {
  if (std::isfinite(value) && value >= low && value < below) return;
  fail(flag, fmt::format("{} is outside [{}, {})", value, low, below));
}

constexpr double kHuge = 1e30;

// Far above any use, and low enough that counts of tokens stay below 2^63.
constexpr int64_t kMostSteps = int64_t{1} << 40, kMostColumns = int64_t{1} << 24,
                  kMostMicroSteps = int64_t{1} << 20;

// Calls visit(key, member) for every option: one list for writing and reading.
template <typename Options, typename Visit>
void for_each_option(Options& o, Visit&& visit) {
  visit("model", o.model);
  visit("from_scratch", o.from_scratch);
  visit("data", o.data);
  visit("val", o.validation);
  visit("tokenizer", o.tokenizer);
  visit("device", o.device);
  visit("threads", o.threads);
  visit("steps", o.steps);
  visit("batch", o.batch);
  visit("seq", o.sequence);
  visit("accum", o.accumulation);
  visit("seed", o.seed);
  visit("lr", o.learning_rate);
  visit("min_lr", o.minimum_learning_rate);
  visit("warmup", o.warmup);
  visit("beta1", o.optimizer.beta1);
  visit("beta2", o.optimizer.beta2);
  visit("eps", o.optimizer.epsilon);
  visit("weight_decay", o.optimizer.weight_decay);
  visit("clip", o.optimizer.clip);
  visit("save_every", o.save_every);
  visit("eval_every", o.eval_every);
  visit("eval_windows", o.eval_windows);
  visit("pipeline", o.pipeline);
  visit("strict", o.strict);
  visit("loss_scale", o.loss_scale);
  visit("dtype", o.dtype);
  visit("recompute", o.recompute);
  visit("train", o.train);
  visit("freeze", o.freeze);
  visit("lora_rank", o.lora_rank);
  visit("lora_alpha", o.lora_alpha);
  visit("lora_targets", o.lora_targets);
}

// Options that the first checkpoints did not have.
bool may_lack(std::string_view key) {
  constexpr std::string_view kLater[] = {"pipeline",   "strict",      "loss_scale", "dtype",
                                         "recompute",  "train",       "freeze",     "lora_rank",
                                         "lora_alpha", "lora_targets"};
  return std::find(std::begin(kLater), std::end(kLater), key) != std::end(kLater);
}

// nlohmann-json converts between numbers and bools without a word.
template <typename T>
bool is_of_kind(const nlohmann::json& value) {
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return value.is_array() && std::all_of(value.begin(), value.end(),
                                           [](const auto& item) { return item.is_string(); });
  }
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
  if constexpr (std::is_floating_point_v<T>) return value.is_number();
  if constexpr (std::is_unsigned_v<T>) return value.is_number_unsigned();
  return value.is_number_integer();
}

// Whether the value of `key` is `first`; it must be that or `second`.
bool is_first(const nlohmann::json& json, const char* key, const char* first, const char* second,
              const std::string& where) {
  const nlohmann::json& value = json.at(key);
  if (value != first && value != second) {
    fail(where, fmt::format("'{}' is neither {} nor {}", key, first, second));
  }
  return value == first;
}

}  // namespace

void TrainOptions::validate() const {
  if (dtype != "fp32" && dtype != "bf16") {
    fail("--dtype", fmt::format("'{}' is neither fp32 nor bf16", dtype));
  }
  require_in("--steps", steps, 0, kMostSteps);
  require_in("--batch", batch, 1, kMostColumns);
  require_in("--seq", sequence, 1, kMostColumns);
  require_in("--accum", accumulation, 1, kMostMicroSteps);
  require_in("--warmup", warmup, 0, kMostSteps);
  require_in("--threads", int64_t{threads}, 0, 1024);
  require_in("--save-every", save_every, 0, kMostSteps);
  require_in("--eval-every", eval_every, 0, kMostSteps);
  require_in("--eval-windows", eval_windows, 1, kMostSteps);
  // Columns of one micro-step; more would not fit any memory.
  if (batch > kMostColumns / sequence) {
    fail("--batch", fmt::format("{} rows of {} tokens are too many", batch, sequence));
  }
  require_in("--lr", learning_rate, 0., kHuge);
  require_in("--min-lr", minimum_learning_rate, 0., kHuge);
  require_in("--beta1", optimizer.beta1, 0., 1.);
  require_in("--beta2", optimizer.beta2, 0., 1.);
  require_in("--eps", optimizer.epsilon, 0., kHuge);
  require_in("--weight-decay", optimizer.weight_decay, 0., kHuge);
  require_in("--clip", optimizer.clip, 0., kHuge);
  require_in("--lora-rank", lora_rank, 0, 4096);
  if (lora_rank > 0 && !(train.empty() && freeze.empty())) {
    fail("--lora-rank", "with LoRA only adapters are trained",
         "leave --train and --freeze out, or --lora-rank");
  }
  // Far smaller ones are zero in fp32.
  const bool usable = loss_scale >= 1 / LossScale::kMost && loss_scale <= LossScale::kMost;
  if (loss_scale != 0 && !usable) {
    fail("--loss-scale", fmt::format("{} is neither 0 (dynamic) nor in [{}, {:.0f}]", loss_scale,
                                     1 / LossScale::kMost, LossScale::kMost));
  }
}

std::optional<Lora> TrainOptions::lora() const {
  if (lora_rank == 0) return std::nullopt;
  return Lora{.rank = lora_rank, .alpha = lora_alpha, .targets = lora_targets};
}

nlohmann::json to_json(const TrainOptions& options) {
  nlohmann::json json;
  for_each_option(options, [&](const char* key, const auto& value) { json[key] = value; });
  json["order"] = options.order == Order::kRandom ? "random" : "sequential";
  json["schedule"] = options.schedule == Schedule::Kind::kCosine ? "cosine" : "constant";
  return json;
}

TrainOptions train_options_from_json(const nlohmann::json& json, const std::string& where) {
  TrainOptions options;
  try {
    for_each_option(options, [&](const char* key, auto& value) {
      using T = std::remove_reference_t<decltype(value)>;
      if (may_lack(key) && !json.contains(key)) return;
      if (!is_of_kind<T>(json.at(key))) fail(where, fmt::format("'{}' is of the wrong kind", key));
      json.at(key).get_to(value);
    });
    options.order = is_first(json, "order", "random", "sequential", where) ? Order::kRandom
                                                                           : Order::kSequential;
    options.schedule = is_first(json, "schedule", "cosine", "constant", where)
                           ? Schedule::Kind::kCosine
                           : Schedule::Kind::kConstant;
  } catch (const nlohmann::json::exception& error) {
    fail(where, std::string("the options cannot be read: ") + error.what());
  }
  return options;
}

}  // namespace anemone
