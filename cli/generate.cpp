#include <algorithm>
#include <memory>
#include <optional>

#include "anemone/data/stream_decoder.h"
#include "anemone/devices/all_devices.h"
#include "anemone/generate/draft.h"
#include "anemone/train/parameters.h"
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::string model, adapter, tokenizer, prompt;
  int64_t tokens = 256;
  bool tokens_given = false;
  SamplerOptions sampling;
  DeviceOptions device;
  std::string dtype = "fp32";
  std::string draft_model, draft_dtype;  // empty: not given
  int64_t draft_tokens = 5;
  bool draft_tokens_given = false;
  bool json = false;
  ChatOptions chat;
  bool prompt_given = false;

  // Whether somebody drafts for a model of so many parameters. Where nothing is said it does so
  // itself, in int8, if its own weights are in fp32 and too many for caches: each token then waits
  // for memory.
  bool drafts(int64_t parameters) const {
    if (draft_dtype == "none") return false;
    if (!draft_model.empty() || !draft_dtype.empty()) return true;
    constexpr int64_t kCached = 32 * 1024 * 1024 / sizeof(float);
    return dtype == "fp32" && parameters > kCached;
  }
};

// How many tokens fit; an error where the user asked for more.
int64_t token_budget(const Options& o, size_t prompt, int64_t positions) {
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

// A model with its weights, and what generates with it.
struct Loaded {
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<Generator> generator;
  DType stored;

  Loaded(Device& device, const std::string& model, const std::string& adapter, DType type,
         const std::string& flag)
      : parameters(std::make_unique<ParameterSet>(
            device, load_adapted(model, adapter, flag, ReadAs::kStored),
            /*trained=*/false, type)),
        stored(type) {}
  // The same model with its numbers in another type.
  Loaded(Device& device, const Loaded& other, DType type)
      : parameters(std::make_unique<ParameterSet>(device, other.parameters->weights(), type)),
        stored(type) {}

  const TransformerConfig& config() const { return parameters->config(); }
  void generate_up_to(Device& device, int64_t capacity) {
    generator =
        std::make_unique<Generator>(device, config(), capacity, parameters->values(), stored);
  }
};

std::optional<Loaded> load_draft(Device& device, const Options& o, const Loaded& model) {
  if (!o.drafts(model.parameters->count())) {
    if (!o.draft_tokens_given) return std::nullopt;
    fail("--num-draft-tokens", "there is no draft model",
         "add --draft-dtype int8 or --draft-model");
  }
  const DType type = *dtype_from_name(o.draft_dtype.empty() ? "int8" : o.draft_dtype);
  if (o.draft_model.empty() && model.stored == DType::kFp32) return Loaded(device, model, type);
  Loaded draft(device, o.draft_model.empty() ? o.model : o.draft_model,
               o.draft_model.empty() ? o.adapter : "", type,
               o.draft_model.empty() ? "--model" : "--draft-model");
  const int64_t own = draft.config().vocab_size, wanted = model.config().vocab_size;
  if (own != wanted) {
    fail("--draft-model", fmt::format("it has {} tokens, --model has {}", own, wanted));
  }
  return draft;
}

// The ids of the prompt. Without any there is nothing to continue, so an empty text begins as texts
// of the vocabulary do.
std::vector<int> prompt_ids(const Options& o, const Tokenizer& tokenizer) {
  std::vector<int> ids = tokenizer.encode(o.prompt, /*add_bos=*/true);
  if (!ids.empty()) return ids;
  if (tokenizer.bos() >= 0) return {tokenizer.bos()};
  fail("--prompt", "it is empty, and the tokenizer has no BOS to begin with", "give some text");
}

// BOS, and all that end a text or the turn of a chat.
std::vector<int> stops_of(const Tokenizer& tokenizer, const std::optional<Conversation>& chat) {
  std::vector<int> stops;
  if (const auto end = chat ? chat->end_of_turn() : std::nullopt) stops.push_back(*end);
  for (int id = 0; id < tokenizer.vocab_size(); ++id) {
    if (id == tokenizer.bos() || tokenizer.is_end(id)) stops.push_back(id);
  }
  return stops;
}

std::string summary(size_t prompt, const Generated& result) {
  const std::string right = result.drafted == 0 ? ""
                                                : fmt::format("; of {} drafted {} were right",
                                                              result.drafted, result.accepted);
  return fmt::format("\n\nprompt of {} tokens in {:.1f} ms; {} tokens, {:.1f} tokens/s{}\n", prompt,
                     result.prompt_ms, result.ids.size(), result.tokens_per_s, right);
}

// Each line of standard input is the user's next message. What the cache holds of the chat already
// is not fed again.
void chat_by_lines(const Options& o, Generator& generator, const Tokenizer& tokenizer,
                   Conversation& chat, const SamplerOptions& sampling, std::span<const int> stops) {
  std::vector<int> fed;
  for_each_line([&](const std::string& line) {
    const std::vector<int> ids = chat.ask(line);
    const int64_t room = generator.capacity() - static_cast<int64_t>(ids.size()) + 1;
    if (room <= 0) {
      fail("--chat",
           fmt::format("it has come to {} tokens, and {} fit", ids.size(), generator.capacity()),
           "begin a new one");
    }
    const int64_t tokens = std::min(o.tokens, room);
    const auto differs = std::mismatch(fed.begin(), fed.end(), ids.begin(), ids.end() - 1).first;
    generator.go_back(differs - fed.begin());
    const auto fresh = std::span(ids).subspan(static_cast<size_t>(generator.position()));
    StreamDecoder text(tokenizer);
    const auto show = [&](int id) { print(text.next(id)); };
    const Generated result = generate(generator, fresh, tokens, sampling, stops, show);
    print(text.finish() + "\n");
    chat.answer(tokenizer.decode(result.ids));
    fed = ids;
    fed.insert(fed.end(), result.ids.begin(), result.ids.end());
    fed.resize(static_cast<size_t>(generator.position()));  // the last one is only picked
  });
}

void check_chat(const Options& o) {
  if (!o.chat.on()) {
    if (o.chat.system) fail("--system", "it is part of a chat", "add --chat");
    return;
  }
  if (o.prompt_given) return;
  if (o.json) fail("--json", "a chat on standard input has no one result", "give --prompt");
  const bool typed = !o.draft_dtype.empty() && o.draft_dtype != "none";
  if (!o.draft_model.empty() || typed || o.draft_tokens_given) {
    fail("--draft-model", "a chat on standard input does not draft", "give --prompt, or no draft");
  }
}

// The tokens of a chat on standard input that are kept: each takes memory for its keys and values.
constexpr int64_t kLongestChat = 4096;

void run(const Options& o) {
  o.sampling.validate();
  if (o.tokens < 0) fail("--tokens", "it must be 0 or more");
  check_chat(o);
  ThreadPool pool(o.device.thread_count());
  const auto device = make_device(o.device.device, pool, {.ane_route = o.device.ane_route});
  require_fp32(device->info());
  Loaded model(*device, o.model, o.adapter, *dtype_from_name(o.dtype), "--model");
  const TransformerConfig& config = model.config();
  const bool by_lines = o.chat.on() && !o.prompt_given;
  std::optional<Loaded> draft_model;
  if (!by_lines) draft_model = load_draft(*device, o, model);
  const std::string vocabulary =
      o.chat.on() ? chat_tokenizer_path(o.tokenizer.empty() ? o.model : o.tokenizer)
                  : tokenizer_path(o.tokenizer, o.model);
  const auto tokenizer = load_tokenizer(vocabulary, static_cast<int>(config.vocab_size));
  // Rows of the model beyond the tokenizer's tokens fill it up, and are no text.
  SamplerOptions sampling = o.sampling;
  sampling.vocabulary = tokenizer->vocab_size();
  std::optional<Conversation> chat;
  if (o.chat.on()) chat.emplace(begin_chat(o.chat, *tokenizer, vocabulary));
  const std::vector<int> stops = stops_of(*tokenizer, chat);
  if (by_lines) {
    model.generate_up_to(*device, std::min(config.max_sequence, kLongestChat));
    return chat_by_lines(o, *model.generator, *tokenizer, *chat, sampling, stops);
  }
  const std::vector<int> prompt = chat ? chat->ask(o.prompt) : prompt_ids(o, *tokenizer);
  const int64_t tokens = token_budget(o, prompt.size(), config.max_sequence);
  // The last token is only picked, not fed; a draft may go beyond it.
  const int64_t wanted = static_cast<int64_t>(prompt.size()) + tokens + o.draft_tokens;
  const int64_t capacity = std::min(config.max_sequence, wanted);
  model.generate_up_to(*device, capacity);
  std::optional<Draft> draft;
  if (draft_model) {
    // Beyond its last position the model goes on alone.
    draft_model->generate_up_to(*device, std::min(capacity, draft_model->config().max_sequence));
    draft.emplace(*draft_model->generator, o.draft_tokens, sampling);
  }
  StreamDecoder text(*tokenizer);
  std::string beginning;
  // Of a chat only the answer is shown.
  if (!chat) {
    for (int id : prompt) beginning += text.next(id);
  }
  if (!o.json) print(beginning);
  const auto show = [&](int id) {
    if (!o.json) print(text.next(id));
  };
  const Generated result =
      generate(*model.generator, prompt, tokens, sampling, stops, show, draft ? &*draft : nullptr);
  if (!o.json) return print(text.finish() + summary(prompt.size(), result));
  std::vector<int> all = chat ? std::vector<int>() : prompt;
  all.insert(all.end(), result.ids.begin(), result.ids.end());
  print_json({{"prompt_ids", prompt},
              {"ids", result.ids},
              {"text", tokenizer->decode(all)},
              {"prompt_ms", result.prompt_ms},
              {"tokens_per_s", result.tokens_per_s},
              {"drafted", result.drafted},
              {"accepted", result.accepted}});
}

}  // namespace

void add_generate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("generate", "Continue a text");
  auto o = std::make_shared<Options>();
  command->add_option("--model", o->model, "Model file or directory, run")->required();
  command->add_option("--adapter", o->adapter, "Directory of a LoRA adapter, or of its run");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp);
  CLI::Option* prompt =
      command->add_option("--prompt", o->prompt, "Text to continue; empty starts from BOS");
  o->chat.add_to(*command);
  CLI::Option* tokens =
      command->add_option("--tokens", o->tokens, "New tokens at most")->capture_default_str();
  command->add_option("--temperature", o->sampling.temperature, "0 is greedy")
      ->capture_default_str();
  command->add_option("--top-k", o->sampling.top_k, "Only the k most probable; 0: all")
      ->capture_default_str();
  command->add_option("--top-p", o->sampling.top_p, "Only the nucleus of probability p; 1: all")
      ->capture_default_str();
  command->add_option("--seed", o->sampling.seed, "Of the sampler")->capture_default_str();
  command->add_option("--dtype", o->dtype, "Of the weights in memory: fp32, bf16, int8 or int4")
      ->check(CLI::IsMember(kWeightTypes))
      ->capture_default_str();
  command->add_option("--draft-model", o->draft_model,
                      "Proposes tokens, which --model looks at together (speculative decoding): "
                      "the same text, faster; default: --model itself");
  std::vector<std::string> draft_types = kWeightTypes;
  draft_types.emplace_back("none");
  command
      ->add_option("--draft-dtype", o->draft_dtype,
                   "Of its weights in memory, or none: no drafts. Default int8, and none for "
                   "--model itself where it is small or in fewer bits")
      ->check(CLI::IsMember(draft_types));
  CLI::Option* drafted =
      command->add_option("--num-draft-tokens", o->draft_tokens, "Proposed at a time");
  drafted->check(CLI::Range(int64_t{1}, static_cast<int64_t>(Generator::kMostTogether) - 1))
      ->capture_default_str();
  o->device.add_to(*command);
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->callback([o, prompt, tokens, drafted] {
    o->prompt_given = prompt->count() > 0;
    o->tokens_given = tokens->count() > 0;
    o->draft_tokens_given = drafted->count() > 0;
    if (o->draft_dtype == "none" && !o->draft_model.empty()) {
      fail("--draft-dtype", "none, though --draft-model is to draft");
    }
    run(*o);
  });
}

}  // namespace anemone::cli
