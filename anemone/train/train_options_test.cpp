// Options survive a checkpoint, and senseless ones are refused by name.
#include "anemone/train/train_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

// No option has its default.
TrainOptions unusual_options() {
  TrainOptions o;
  o.model = "stories15m";
  o.from_scratch = true;
  o.data = "a b.bin";
  o.validation = "valid.bin";
  o.tokenizer = "tokenizer.model";
  o.device = "sim";
  o.threads = 3;
  o.steps = 17;
  o.batch = 2;
  o.sequence = 33;
  o.accumulation = 5;
  o.order = Order::kSequential;
  o.seed = 18446744073709551615u;
  o.schedule = Schedule::Kind::kCosine;
  o.learning_rate = 0.1;  // not exact in binary
  o.minimum_learning_rate = 1e-7;
  o.warmup = 4;
  o.optimizer = {.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.3, .clip = 2};
  o.save_every = 6;
  o.eval_every = 7;
  o.eval_windows = 8;
  o.pipeline = "static";
  o.strict = true;
  o.dtype = "bf16";
  o.recompute = true;
  o.train = {"*.mlp.*"};
  o.freeze = {"*norm*"};
  o.lora_rank = 4;
  o.lora_alpha = 8;
  o.lora_targets = {"o_proj"};
  o.loss_scale = 1024;
  return o;
}

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::kInternal, "nowhere", "no error"};
}

TEST(TrainOptions, EveryOptionSurvivesJson) {
  const TrainOptions given = unusual_options();
  const nlohmann::json json = nlohmann::json::parse(to_json(given).dump());
  const TrainOptions read = train_options_from_json(json, "here");
  EXPECT_EQ(to_json(read), json);
  // Every key says something: it differs from the default's.
  const nlohmann::json defaults = to_json(TrainOptions{});
  EXPECT_EQ(json.size(), 35u);
  for (const auto& [key, value] : json.items()) EXPECT_NE(value, defaults.at(key)) << key;

  EXPECT_EQ(read.seed, given.seed);
  EXPECT_EQ(read.learning_rate, given.learning_rate);
  EXPECT_EQ(read.minimum_learning_rate, given.minimum_learning_rate);
  EXPECT_EQ(read.order, Order::kSequential);
  EXPECT_EQ(read.schedule, Schedule::Kind::kCosine);
  EXPECT_EQ(read.optimizer.beta2, 0.99);
  EXPECT_EQ(read.validation, "valid.bin");
  EXPECT_EQ(read.accumulation, 5);
  EXPECT_TRUE(read.from_scratch);
}

TEST(TrainOptions, DefaultsSurviveJsonAndMakeSense) {
  const TrainOptions options;
  EXPECT_NO_THROW(options.validate());
  TrainOptions unusual = unusual_options();
  EXPECT_THROW(unusual.validate(), Error);  // patterns beside LoRA
  unusual.lora_rank = 0;
  EXPECT_NO_THROW(unusual.validate());
  EXPECT_EQ(to_json(train_options_from_json(to_json(options), "here")), to_json(options));
}

TEST(TrainOptions, AMissingOrMistypedOptionIsAnErrorAtThePlaceGiven) {
  const nlohmann::json whole = to_json(TrainOptions{});
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json json = whole;
    json.erase(key);
    // The first checkpoints do not have these.
    const std::set<std::string> later = {"pipeline",   "strict",      "loss_scale", "dtype",
                                         "recompute",  "train",       "freeze",     "lora_rank",
                                         "lora_alpha", "lora_targets"};
    if (later.contains(key)) {
      EXPECT_EQ(to_json(train_options_from_json(json, "state.json")), whole);
      continue;
    }
    const Error missing = error_of([&] { train_options_from_json(json, "state.json"); });
    EXPECT_EQ(missing.where(), "state.json") << key;
    EXPECT_THAT(missing.message(), HasSubstr(key));
  }
  nlohmann::json json = whole;
  json["batch"] = "four";
  EXPECT_EQ(error_of([&] { train_options_from_json(json, "state.json"); }).where(), "state.json");
}

TEST(TrainOptions, AnUnknownOrderOrScheduleIsAnError) {
  for (const char* key : {"order", "schedule"}) {
    nlohmann::json json = to_json(TrainOptions{});
    json[key] = "banana";
    EXPECT_EQ(error_of([&] { train_options_from_json(json, "state.json"); }).where(), "state.json")
        << key;
  }
}

TEST(TrainOptions, ANumberOfTheWrongKindIsAnErrorNotRounded) {
  const std::pair<const char*, nlohmann::json> cases[] = {
      {"steps", 1.9}, {"threads", true}, {"seed", -1}, {"lr", false}};
  for (const auto& [key, value] : cases) {
    nlohmann::json json = to_json(TrainOptions{});
    json[key] = value;
    const Error error = error_of([&] { train_options_from_json(json, "state.json"); });
    EXPECT_EQ(error.where(), "state.json") << key << " " << value;
  }
}

TEST(TrainOptions, ARefusedValueNamesItsFlag) {
  struct Case {
    const char* flag;
    std::function<void(TrainOptions&)> change;
  };
  const std::vector<Case> cases = {
      {"--steps", [](TrainOptions& o) { o.steps = -1; }},
      {"--batch", [](TrainOptions& o) { o.batch = 0; }},
      {"--batch", [](TrainOptions& o) { o.batch = o.sequence = 1 << 20; }},
      {"--seq", [](TrainOptions& o) { o.sequence = 0; }},
      {"--accum", [](TrainOptions& o) { o.accumulation = 0; }},
      {"--warmup", [](TrainOptions& o) { o.warmup = -1; }},
      {"--threads", [](TrainOptions& o) { o.threads = -1; }},
      {"--save-every", [](TrainOptions& o) { o.save_every = -1; }},
      {"--eval-every", [](TrainOptions& o) { o.eval_every = -1; }},
      {"--eval-windows", [](TrainOptions& o) { o.eval_windows = 0; }},
      {"--lr", [](TrainOptions& o) { o.learning_rate = -1e-9; }},
      {"--lr", [](TrainOptions& o) { o.learning_rate = NAN; }},
      {"--lr", [](TrainOptions& o) { o.learning_rate = INFINITY; }},
      {"--min-lr", [](TrainOptions& o) { o.minimum_learning_rate = -1; }},
      {"--beta1", [](TrainOptions& o) { o.optimizer.beta1 = 1; }},
      {"--beta2", [](TrainOptions& o) { o.optimizer.beta2 = 1; }},
      {"--beta2", [](TrainOptions& o) { o.optimizer.beta2 = -0.1; }},
      {"--eps", [](TrainOptions& o) { o.optimizer.epsilon = -1; }},
      {"--weight-decay", [](TrainOptions& o) { o.optimizer.weight_decay = -1; }},
      {"--clip", [](TrainOptions& o) { o.optimizer.clip = NAN; }},
      {"--loss-scale", [](TrainOptions& o) { o.loss_scale = -1; }},
      {"--loss-scale", [](TrainOptions& o) { o.loss_scale = NAN; }},
      {"--loss-scale", [](TrainOptions& o) { o.loss_scale = 0x1.8p24; }},
      {"--loss-scale", [](TrainOptions& o) { o.loss_scale = 1e-320; }},
  };
  for (const Case& refused : cases) {
    TrainOptions options;
    refused.change(options);
    const Error error = error_of([&] { options.validate(); });
    EXPECT_EQ(error.where(), refused.flag);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << refused.flag;
  }
}

TEST(TrainOptions, TheScheduleIsMadeOfItsOptions) {
  const Schedule schedule = unusual_options().make_schedule();
  EXPECT_EQ(schedule.kind, Schedule::Kind::kCosine);
  EXPECT_EQ(schedule.learning_rate, 0.1);
  EXPECT_EQ(schedule.minimum, 1e-7);
  EXPECT_EQ(schedule.warmup, 4);
  EXPECT_EQ(schedule.steps, 17);
}

}  // namespace
}  // namespace anemone
