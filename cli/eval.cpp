#include "anemone/base/clock.h"
#include "anemone/devices/all_devices.h"
#include "anemone/train/evaluate_loss.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::string model, adapter, data, dtype = "fp32";
  int64_t sequence = 256, windows = 0;
  DeviceOptions device;
  bool json = false;
};

void evaluate(const Options& o) {
  ThreadPool pool(o.device.thread_count());
  const auto device = make_device(o.device.device, pool, {.ane_route = o.device.ane_route});
  require_fp32(device->info());
  const DType stored = *dtype_from_name(o.dtype);
  ParameterSet parameters(*device, load_adapted(o.model, o.adapter, "--model", ReadAs::kStored),
                          /*trained=*/false, stored);
  const TransformerConfig& config = parameters.config();
  if (o.sequence < 1 || o.sequence > config.max_sequence) {
    fail("--seq", fmt::format("{} is outside [1, {}], the model's positions", o.sequence,
                              config.max_sequence));
  }
  const TokenShard shard = TokenShard::open(o.data, config.vocab_size);
  shard.check_ids();
  shard.require_window(o.sequence + 1);
  LossEvaluator evaluator(*device, parameters, o.sequence, stored);
  const int64_t available = evaluator.windows_in(shard);
  if (o.windows < 0 || o.windows > available) {
    fail("--windows", fmt::format("{} is outside [1, {}], the windows of {} tokens in {}",
                                  o.windows, available, o.sequence, o.data));
  }
  const int64_t windows = o.windows > 0 ? o.windows : available;
  const Stopwatch watch;
  const double loss = evaluator.run(shard, windows);
  const int64_t tokens = windows * o.sequence;
  if (o.json) {
    return print_json({{"loss", loss}, {"windows", windows}, {"tokens", tokens}});
  }
  print(fmt::format("loss {:.6f} over {} windows of {} tokens ({:.0f} tokens/s)\n", loss, windows,
                    o.sequence, static_cast<double>(tokens) / watch.elapsed_ms() * 1000));
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Mean loss of a model on a token shard");
  auto o = std::make_shared<Options>();
  command->add_option("--model", o->model, "Model file or directory, run")->required();
  command->add_option("--adapter", o->adapter, "Directory of a LoRA adapter, or of its run");
  command->add_option("--data", o->data, "Token shard")->required();
  command->add_option("--seq", o->sequence, "Tokens of a window")->capture_default_str();
  command
      ->add_option("--dtype", o->dtype,
                   "Of the weights in memory, as in generate: fp32, bf16, int8 or int4")
      ->check(CLI::IsMember(kWeightTypes))
      ->capture_default_str();
  command->add_option("--windows", o->windows, "First windows only; 0 takes all")
      ->capture_default_str();
  o->device.add_to(*command);
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->callback([o] { evaluate(*o); });
}

}  // namespace anemone::cli
