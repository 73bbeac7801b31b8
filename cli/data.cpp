#include "anemone/base/file.h"
#include "anemone/data/sentencepiece_tokenizer.h"
#include "anemone/data/shard_metadata.h"
#include "anemone/data/stories_text.h"
#include "anemone/data/story_grammar.h"
#include "anemone/data/token_shard.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::string in, tokenizer, out;
  int64_t vocab = 0, count = 0;
  uint64_t seed = 42;
  bool json = false;
};

void tokenize(const Options& o) {
  for (const std::string& in : {o.in, tokenizer_file(o.tokenizer).string()}) {
    refuse_same_file(in, o.out);
    refuse_same_file(in, metadata_path(o.out));
  }
  const auto tokenizer = load_tokenizer(o.tokenizer);
  const StoryCounts counts = tokenize_file(o.in, *tokenizer, o.out, o.tokenizer);
  if (o.json) {
    return print_json(
        {{"stories", counts.stories}, {"tokens", counts.tokens}, {"bytes", counts.bytes}});
  }
  print(fmt::format("{}: {} tokens of {} stories, {:.2f} bytes a token\n", o.out,
                    with_commas(counts.tokens), with_commas(counts.stories),
                    static_cast<double>(counts.bytes) / static_cast<double>(counts.tokens)));
}

void train_tokenizer(const Options& o) {
  constexpr int64_t kMost = 1 << 20;
  if (o.vocab < 1 || o.vocab > kMost) {
    fail("--vocab", fmt::format("{} is outside [1, {}]", o.vocab, kMost));
  }
  refuse_same_file(o.in, o.out);
  print_notes(train_sentencepiece(o.in, static_cast<int>(o.vocab), o.out));
  print(fmt::format("{}: {} tokens\n", o.out, o.vocab));
}

void stories(const Options& o) {
  constexpr int64_t kMost = 10'000'000;
  if (o.count < 1 || o.count > kMost) {
    fail("--count", fmt::format("{} is outside [1, {}]", o.count, kMost));
  }
  const std::string text = write_stories(static_cast<int>(o.count), o.seed);
  write_file(o.out, text);
  print(fmt::format("{}: {} stories, {} bytes\n", o.out, with_commas(o.count),
                    with_commas(static_cast<int64_t>(text.size()))));
}

void info(const Options& o) {
  constexpr int64_t kMost = INT32_MAX;
  if (o.vocab < 1 || o.vocab > kMost) {
    fail("--vocab", fmt::format("{} is outside [1, {}]", o.vocab, kMost));
  }
  const ShardInfo found = shard_info(TokenShard::open(o.in, o.vocab));
  if (o.json) {
    return print_json({{"tokens", found.tokens},
                       {"distinct_ids", found.distinct_ids},
                       {"documents", found.documents},
                       {"minimum_id", found.minimum_id},
                       {"maximum_id", found.maximum_id},
                       {"most_frequent", found.most_frequent}});
  }
  print(fmt::format("{} tokens, {} documents, ids {} to {}, {} of {} used\n",
                    with_commas(found.tokens), with_commas(found.documents), found.minimum_id,
                    found.maximum_id, found.distinct_ids, o.vocab));
  for (const auto& [id, count] : found.most_frequent) {
    print(fmt::format("  id {:>6}  {:>12} times\n", id, with_commas(count)));
  }
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* command = app.add_subcommand("data", "Make and look at training data");
  command->require_subcommand(1);
  auto o = std::make_shared<Options>();

  CLI::App* verb = command->add_subcommand("tokenize", "Text to a token shard");
  verb->add_option("text", o->in, "Text file, stories separated by <|endoftext|>")->required();
  verb->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required();
  verb->add_option("-o,--output", o->out, "Shard to write")->required();
  verb->add_flag("--json", o->json, "One JSON object on standard output");
  verb->callback([o] { tokenize(*o); });

  verb =
      command->add_subcommand("train-tokenizer", "Train a SentencePiece BPE vocabulary on a text");
  verb->add_option("text", o->in, "Text file")->required();
  verb->add_option("--vocab", o->vocab, "Tokens of the vocabulary")->required();
  verb->add_option("-o,--output", o->out, "NAME.model to write")->required();
  verb->callback([o] { train_tokenizer(*o); });

  verb = command->add_subcommand("stories", "Write stories with the built-in grammar");
  verb->add_option("--count", o->count, "Stories")->required();
  verb->add_option("--seed", o->seed, "Same seed, same stories")->capture_default_str();
  verb->add_option("-o,--output", o->out, "Text file to write")->required();
  verb->callback([o] { stories(*o); });

  verb = command->add_subcommand("info", "Count the ids of a token shard");
  verb->add_option("shard", o->in, "Token shard")->required();
  verb->add_option("--vocab", o->vocab, "Tokens of its vocabulary")->required();
  verb->add_flag("--json", o->json, "One JSON object on standard output");
  verb->callback([o] { info(*o); });
}

}  // namespace anemone::cli
