#include <fmt/format.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/data/sentencepiece_tokenizer.h"
#include "anemone/data/stories_text.h"

namespace anemone {
namespace {

constexpr int kFixedPieces = 3 + 256;  // <unk>, BOS, EOS, bytes
constexpr int kMaxVocab = 1'000'000;

// Rarer characters than this leaves out become byte tokens.
constexpr double kCharacterCoverage = 0.9995;

std::vector<std::string> story_lines(std::string_view text) {
  std::vector<std::string> lines;
  for_each_story(text, [&](std::string_view story) {
    for (size_t begin = 0; begin < story.size();) {
      const size_t end = std::min(story.find('\n', begin), story.size());
      if (end > begin) lines.emplace_back(story.substr(begin, end - begin));
      begin = end + 1;
    }
  });
  return lines;
}

// The library puts its source line and condition in front: "(660) [a == b] Vocabulary size ...".
std::string readable(const std::string& message) {
  const size_t end = message.rfind("] ");
  return end == std::string::npos ? message : message.substr(end + 2);
}

class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return next_ == lines_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return lines_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t next_ = 0;
};

std::unordered_map<std::string, std::string> options(const std::vector<std::string>& lines,
                                                     int vocab_size) {
  size_t longest = 1;
  for (const std::string& line : lines) longest = std::max(longest, line.size());
  return {{"model_type", "bpe"},
          {"vocab_size", std::to_string(vocab_size)},
          {"character_coverage", fmt::format("{}", kCharacterCoverage)},
          {"byte_fallback", "true"},
          {"split_digits", "true"},
          {"allow_whitespace_only_pieces", "true"},
          {"add_dummy_prefix", "true"},
          {"remove_extra_whitespaces", "false"},
          {"normalization_rule_name", "identity"},
          {"unk_id", "0"},
          {"bos_id", "1"},
          {"eos_id", "2"},
          {"pad_id", "-1"},
          // The library leaves out longer lines without a word.
          {"max_sentence_length", std::to_string(longest + 1)},
          {"num_threads", "1"},
          {"minloglevel", "4"}};
}

// The characters that the library puts into the vocabulary before any merge: the commonest ones, up
// to kCharacterCoverage of the text.
int count_common_characters(const std::vector<std::string>& lines) {
  std::unordered_map<std::string, int64_t> counts;
  int64_t total = 0;
  for (const std::string& line : lines) {
    ++counts[" "], ++total;  // the dummy prefix
    for (size_t begin = 0, end; begin < line.size(); begin = end) {
      end = begin + 1;
      while (end < line.size() && (line[end] & 0xC0) == 0x80) ++end;
      ++counts[line.substr(begin, end - begin)], ++total;
    }
  }
  std::vector<int64_t> sorted;
  for (const auto& [character, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  int common = 0;
  int64_t covered = 0;
  for (int64_t count : sorted) {
    if (static_cast<double>(covered) >= kCharacterCoverage * static_cast<double>(total)) break;
    covered += count;
    ++common;
  }
  return common;
}

}  // namespace

void train_sentencepiece(const std::filesystem::path& text_path, int vocab_size,
                         const std::filesystem::path& output_path) {
  const std::string where = text_path.string();
  const std::vector<std::string> lines = story_lines(read_file(text_path));
  if (lines.empty()) fail(where, "has no text to train a tokenizer on");
  const int minimum = kFixedPieces + count_common_characters(lines);
  if (vocab_size < minimum || vocab_size > kMaxVocab) {
    fail(where, fmt::format("a vocabulary of {} is outside {}..{}", vocab_size, minimum, kMaxVocab),
         "3 special tokens, 256 bytes and the characters of the text must have a place");
  }
  Lines sentences(lines);
  std::string model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(options(lines, vocab_size), &sentences, &model);
  if (!status.ok()) {
    fail(where,
         fmt::format("cannot train a vocabulary of {}: {}", vocab_size, readable(status.message())),
         "use more text or a smaller vocabulary");
  }
  write_file(output_path, model);
}

}  // namespace anemone
