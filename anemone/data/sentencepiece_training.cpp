#include <fmt/format.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/process.h"
#include "anemone/base/utf8.h"
#include "anemone/data/sentencepiece_tokenizer.h"
#include "anemone/data/stories_text.h"

namespace anemone {
namespace {

constexpr int kFixedPieces = 3 + 256;  // <unk>, BOS, EOS, bytes
constexpr int kMaxVocab = 1'000'000;

// In a text of fewer there is nothing to learn: no pair of pieces comes twice.
constexpr size_t kLeastBytes = 4;

// Rarer characters than this leaves out become byte tokens.
constexpr double kCharacterCoverage = 0.9995;

// Longer sentences are left out by the library without a word, and it ends the whole process where
// that limit is lifted and a word has more than 65,535 characters.
constexpr size_t kMaxSentenceBytes = 4192;

// The library leaves out lines with this character, U+2585, which stands for unknown ones there; we
// do, so that nothing counts what it does not see.
constexpr std::string_view kReserved = "\xE2\x96\x85";

struct Sentences {
  std::vector<std::string> texts;
  int64_t cut = 0, reserved = 0;  // lines
};

// The line in parts that the library takes, ended where a word does if it can be. The space between
// two parts goes: each begins with a dummy space.
void add_line(std::string_view line, Sentences& sentences) {
  if (line.find(kReserved) != std::string_view::npos) {
    ++sentences.reserved;
    return;
  }
  sentences.cut += line.size() > kMaxSentenceBytes;
  while (line.size() > kMaxSentenceBytes) {
    const size_t space = line.substr(0, kMaxSentenceBytes + 1).rfind(' ');
    const bool at_space = space != std::string_view::npos && space > 0;
    const size_t end = at_space ? space : whole_characters(line, kMaxSentenceBytes);
    sentences.texts.emplace_back(line.substr(0, end));
    line.remove_prefix(at_space ? end + 1 : end);
  }
  if (!line.empty()) sentences.texts.emplace_back(line);
}

Sentences sentences_of(std::string_view text) {
  Sentences sentences;
  for_each_story(text, [&](std::string_view story) {
    for (size_t begin = 0; begin < story.size();) {
      const size_t end = std::min(story.find('\n', begin), story.size());
      if (end > begin) add_line(story.substr(begin, end - begin), sentences);
      begin = end + 1;
    }
  });
  return sentences;
}

std::vector<std::string> notes_on(const Sentences& sentences, const std::string& where) {
  std::vector<std::string> notes;
  if (sentences.cut > 0) {
    notes.push_back(fmt::format("{}: cut lines of more than {} bytes into shorter ones: {}", where,
                                kMaxSentenceBytes, sentences.cut));
  }
  if (sentences.reserved > 0) {
    notes.push_back(
        fmt::format("{}: left out lines with U+2585, which SentencePiece keeps for "
                    "itself: {}",
                    where, sentences.reserved));
  }
  return notes;
}

// The library puts its source line and condition in front: "(660) [a == b] Vocabulary size ...",
// and sometimes that is all.
std::string readable(const std::string& message) {
  const size_t begin = message.find('['), end = message.rfind(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return message;
  const size_t text = message.find_first_not_of(' ', end + 1);
  if (text != std::string::npos) return message.substr(text);
  return fmt::format("SentencePiece wants {}", message.substr(begin + 1, end - begin - 1));
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

std::unordered_map<std::string, std::string> options(int vocab_size) {
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
          {"max_sentence_length", std::to_string(kMaxSentenceBytes)},
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

// The model file. Runs the library, which can end the process.
std::string train(const std::vector<std::string>& lines, int vocab_size, const std::string& where) {
  Lines sentences(lines);
  std::string model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(options(vocab_size), &sentences, &model);
  if (!status.ok()) {
    const std::string reason = readable(status.message());
    const bool too_small = reason.find("smaller than required") != std::string::npos;
    fail(where, fmt::format("cannot train a vocabulary of {}: {}", vocab_size, reason),
         too_small ? "use a larger vocabulary" : "use more text or a smaller vocabulary");
  }
  return model;
}

void check_size(const std::vector<std::string>& lines, int vocab_size, const std::string& where) {
  const int minimum = kFixedPieces + count_common_characters(lines);
  if (vocab_size < minimum || vocab_size > kMaxVocab) {
    fail(where, fmt::format("a vocabulary of {} is outside {}..{}", vocab_size, minimum, kMaxVocab),
         "3 special tokens, 256 bytes and the characters of the text must have a place");
  }
  if (lines.size() == 1 && lines[0].size() < kLeastBytes && vocab_size > minimum) {
    fail(
        where,
        fmt::format("cannot train a vocabulary of {}: {} bytes of text give no more than {} pieces",
                    vocab_size, lines[0].size(), minimum),
        "use more text or a smaller vocabulary");
  }
}

}  // namespace

std::vector<std::string> train_sentencepiece(const std::filesystem::path& text_path, int vocab_size,
                                             const std::filesystem::path& output_path) {
  const std::string where = text_path.string();
  const std::string text = read_file(text_path);
  require_text(text, text_path);
  const Sentences sentences = sentences_of(text);
  if (sentences.texts.empty()) {
    fail(where, "has no text to train a tokenizer on",
         sentences.reserved > 0 ? "SentencePiece leaves out lines with U+2585" : "");
  }
  check_size(sentences.texts, vocab_size, where);
  write_file(output_path,
             run_in_child(where, [&] { return train(sentences.texts, vocab_size, where); }));
  return notes_on(sentences, where);
}

}  // namespace anemone
