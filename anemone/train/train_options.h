// Everything that defines a training run, and its JSON form in a checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "anemone/model/lora.h"
#include "anemone/train/batches.h"
#include "anemone/train/optimizer.h"

namespace anemone {

struct TrainOptions {
  std::string model = {};  // preset, llama2.c file or directory
  bool from_scratch = false;
  std::string data = {}, validation = {}, tokenizer = {};
  std::string device = "cpu";
  int threads = 0;             // 0: all
  std::string dtype = "fp32";  // of the operands of matrix products on a CPU: fp32 or bf16
  // Pipeline by name or a placement file; empty: host on a CPU, dynamic elsewhere.
  std::string pipeline = {};
  bool strict = false;     // what a device refuses is an error, not work for the host
  double loss_scale = 0;   // 0: dynamic where programs are fp16, else 1
  bool recompute = false;  // of a layer only its input is kept for the way back

  // Patterns of the names of parameters that are trained (empty: all), and of those that are not.
  std::vector<std::string> train = {}, freeze = {};
  // LoRA, if the rank is not 0: only adapters are trained.
  int64_t lora_rank = 0;
  double lora_alpha = 16;
  std::vector<std::string> lora_targets = {"q_proj", "v_proj"};

  int64_t steps = 1000;  // updates
  int64_t batch = 4, sequence = 256, accumulation = 1;
  Order order = Order::kRandom;
  uint64_t seed = 42;

  Schedule::Kind schedule = Schedule::Kind::kConstant;
  double learning_rate = 5e-4, minimum_learning_rate = 0;
  int64_t warmup = 0;
  AdamWOptions optimizer = {};

  int64_t save_every = 0, eval_every = 0;  // updates; 0: only at the end
  int64_t eval_windows = 32;

  std::optional<Lora> lora() const;
  Schedule make_schedule() const {
    return {schedule, learning_rate, minimum_learning_rate, warmup, steps};
  }
  // Throws Error(kInvalidInput) naming the flag whose value makes no sense.
  void validate() const;
};

nlohmann::json to_json(const TrainOptions& options);
// Throws Error at `where` for a value of the wrong kind.
TrainOptions train_options_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace anemone
