#include <algorithm>

#include "anemone/data/tokenizer.h"
#include "anemone/devices/all_devices.h"
#include "anemone/generate/generator.h"
#include "anemone/train/parameters.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::string model, tokenizer, prompt;
  int64_t tokens = 256;
  bool tokens_given = false;
  SamplerOptions sampling;
  DeviceOptions device;
  std::string dtype = "fp32";
  bool json = false;
};

// How many tokens fit; an error where the user asked for more.
int64_t token_budget(const Options& o, size_t prompt, int64_t positions) {
  if (o.tokens < 0) fail("--tokens", "it must be 0 or more");
  const int64_t room = positions - static_cast<int64_t>(prompt) + 1;
  if (room <= 0) {
    fail("--prompt",
         fmt::format("its {} tokens are more than the model's {} positions", prompt, positions));
  }
  if (o.tokens <= room) return o.tokens;
  if (!o.tokens_given) return room;
  fail("--tokens",
       fmt::format("{} after a prompt of {} exceed the model's {} positions", o.tokens, prompt,
                   positions),
       fmt::format("at most {} fit", room));
}

void run(const Options& o) {
  o.sampling.validate();
  ThreadPool pool(o.device.thread_count());
  const auto device = make_device(o.device.device, pool, {.ane_route = o.device.ane_route});
  require_fp32(device->info());
  const DType stored = o.dtype == "bf16" ? DType::kBf16 : DType::kFp32;
  ParameterSet parameters(*device, load_weights_of(o.model), /*trained=*/false, stored);
  const LlamaConfig& config = parameters.config();
  const auto tokenizer =
      load_tokenizer(tokenizer_path(o.tokenizer, o.model), static_cast<int>(config.vocab_size));
  const std::vector<int> prompt = tokenizer->encode(o.prompt, /*add_bos=*/true);
  const int64_t tokens = token_budget(o, prompt.size(), config.max_sequence);
  // The last token is only picked, not fed.
  const int64_t capacity = std::max<int64_t>(
      1, std::min(config.max_sequence, static_cast<int64_t>(prompt.size()) + tokens));
  Generator generator(
      *device, config, capacity,
      [&](const std::string& name) { return parameters.find(name).value.get(); }, stored);
  int previous = prompt.back();
  if (!o.json) print(tokenizer->decode(prompt));
  const std::vector<int> stops = {tokenizer->bos(), tokenizer->eos()};
  const Generated result = generate(generator, prompt, tokens, o.sampling, stops, [&](int id) {
    if (!o.json) print(tokenizer->decode_next(previous, id));
    previous = id;
  });
  if (!o.json) {
    return print(fmt::format("\n\nprompt of {} tokens in {:.1f} ms; {} tokens, {:.1f} tokens/s\n",
                             prompt.size(), result.prompt_ms, result.ids.size(),
                             result.tokens_per_s));
  }
  std::vector<int> all = prompt;
  all.insert(all.end(), result.ids.begin(), result.ids.end());
  print_json({{"prompt_ids", prompt},
              {"ids", result.ids},
              {"text", tokenizer->decode(all)},
              {"prompt_ms", result.prompt_ms},
              {"tokens_per_s", result.tokens_per_s}});
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Continue a text");
  auto o = std::make_shared<Options>();
  command->add_option("--model", o->model, "Model file or directory")->required();
  command->add_option("--tokenizer", o->tokenizer, "tokenizer.bin or SentencePiece .model");
  command->add_option("--prompt", o->prompt, "Text to continue; empty starts from BOS");
  CLI::Option* tokens =
      command->add_option("--tokens", o->tokens, "New tokens at most")->capture_default_str();
  command->add_option("--temperature", o->sampling.temperature, "0 is greedy")
      ->capture_default_str();
  command->add_option("--top-k", o->sampling.top_k, "Only the k most probable; 0: all")
      ->capture_default_str();
  command->add_option("--top-p", o->sampling.top_p, "Only the nucleus of probability p; 1: all")
      ->capture_default_str();
  command->add_option("--seed", o->sampling.seed, "Of the sampler")->capture_default_str();
  command->add_option("--dtype", o->dtype, "Of the weights in memory: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  o->device.add_to(*command);
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->callback([o, tokens] {
    o->tokens_given = tokens->count() > 0;
    run(*o);
  });
}

}  // namespace anemone::cli
