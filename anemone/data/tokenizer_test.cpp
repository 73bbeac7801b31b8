#include "anemone/data/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/base/test_directory.h"
#include "anemone/data/llama2c_tokenizer.h"
#include "anemone/data/stories_text.h"
#include "anemone/data/token_shard.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::filesystem::path kData = ANEMONE_SOURCE_DIR "/../shared/data";

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string entry(const std::string& piece, float score) {
  return raw(score) + raw(static_cast<int32_t>(piece.size())) + piece;
}

struct ScoredPiece {
  std::string piece;
  float score;
};

// A llama2.c file whose pieces from id 259 on are `pieces`.
std::string llama2c_file(const std::vector<ScoredPiece>& pieces) {
  std::string file = raw(int32_t{16});
  for (const char* special : {"<unk>", "\n<s>\n", "\n</s>\n"}) file += entry(special, 0);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    file += entry(name, 0);
  }
  for (const auto& [piece, score] : pieces) file += entry(piece, score);
  return file;
}

std::unique_ptr<Tokenizer> tokenizer_of(const std::string& file) {
  const TestDirectory dir;
  write_file(dir / "t.bin", file);
  return load_tokenizer(dir / "t.bin");
}

std::string error_of(const std::string& file, int expected_vocab = 0) {
  const TestDirectory dir;
  write_file(dir / "t.bin", file);
  try {
    load_tokenizer(dir / "t.bin", expected_vocab);
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), (dir / "t.bin").string());
    return error.message();
  }
  return "no error";
}

// run.c's loop as it stands there: look at every pair, merge the best, start again.
std::vector<int> merge_slowly(std::vector<std::string> parts,
                              const std::vector<ScoredPiece>& pieces) {
  const auto find = [&](const std::string& text) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].piece == text) return static_cast<int>(i);
    }
    return -1;
  };
  while (true) {
    float best_score = -1e10f;
    size_t best = parts.size();
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const int id = find(parts[i] + parts[i + 1]);
      if (id >= 0 && pieces[static_cast<size_t>(id)].score > best_score) {
        best_score = pieces[static_cast<size_t>(id)].score;
        best = i;
      }
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  std::vector<int> ids;
  for (const std::string& part : parts) ids.push_back(259 + find(part));
  return ids;
}

TEST(Llama2cTokenizer, MergesTheBestPairFirstAndTheLeftmostOfEquals) {
  const auto tokenizer = tokenizer_of(
      llama2c_file({{" ", 0}, {"a", 0}, {"b", 0}, {"ab", -2}, {"ba", -1}, {" a", -5}, {"aa", -3}}));
  // " abab": "ba" scores best, then " a" is the only pair left.
  EXPECT_THAT(tokenizer->encode("abab", true), ElementsAre(1, 264, 263, 261));
  // " aaa": the two "aa" are equal, the left one merges.
  EXPECT_THAT(tokenizer->encode("aaa", false), ElementsAre(259, 265, 260));
  EXPECT_THAT(tokenizer->encode("", true), ElementsAre(1));
  EXPECT_THAT(tokenizer->encode("", false), ElementsAre());
}

TEST(Llama2cTokenizer, WhatTheVocabularyLacksBecomesByteTokens) {
  const auto tokenizer = tokenizer_of(llama2c_file({{" ", 0}, {"a", 0}}));
  EXPECT_THAT(tokenizer->encode("\xC3\xA9"
                                "a",
                                true),
              ElementsAre(1, 259, 0xC3 + 3, 0xA9 + 3, 260));
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(all, true)), all);
  const auto bare = tokenizer_of(llama2c_file({}));
  EXPECT_THAT(bare->encode("a", false), ElementsAre(' ' + 3, 'a' + 3));
}

TEST(Llama2cTokenizer, GivesWhatTheSlowLoopOfRunCGives) {
  Random random(11);
  std::vector<ScoredPiece> pieces = {{" ", 0}, {"a", 0}, {"b", 0}, {"c", 0}};
  for (int i = 0; i < 60; ++i) {
    std::string piece;
    const int length = 2 + static_cast<int>(random.below(4));
    for (int j = 0; j < length; ++j) piece += " abc"[random.below(4)];
    const auto same = [&](const ScoredPiece& other) { return other.piece == piece; };
    // Few different scores: many ties. Some too bad for run.c to look at.
    const float score = random.below(12) == 0 ? -2e10f : -static_cast<float>(random.below(6));
    if (std::none_of(pieces.begin(), pieces.end(), same)) pieces.push_back({piece, score});
  }
  const auto tokenizer = tokenizer_of(llama2c_file(pieces));
  for (int round = 0; round < 300; ++round) {
    std::string text;
    std::vector<std::string> parts = {" "};
    for (uint64_t i = 1 + random.below(60); i > 0; --i) {
      text += " abc"[random.below(4)];
      parts.emplace_back(1, text.back());
    }
    ASSERT_EQ(tokenizer->encode(text, false), merge_slowly(parts, pieces)) << text;
  }
}

TEST(Llama2cTokenizer, DecodingDropsTheSpaceAfterBosOnly) {
  const auto tokenizer = tokenizer_of(llama2c_file({{" ", 0}, {"a", 0}, {" a", 1}}));
  EXPECT_EQ(tokenizer->decode(std::vector{1, 261, 261, 2, 1, 261}), "a aa");
  EXPECT_EQ(tokenizer->decode(std::vector{261}), " a");
  DecodeState state;
  std::string streamed;
  for (int id : {1, 261, 261}) streamed += tokenizer->decode_next(state, id) + "|";
  EXPECT_EQ(streamed, "|a| a|");
  EXPECT_THROW(tokenizer->decode(std::vector{262}), Error);
  EXPECT_THROW(tokenizer->decode(std::vector{-1}), Error);
}

// The published shards were made by another program with these vocabularies.
void expect_published_shard(const char* vocabulary, int vocab_size, const char* shard_name) {
  if (!std::filesystem::exists(kData / shard_name)) GTEST_SKIP() << "no " << kData / shard_name;
  const auto tokenizer = load_tokenizer(kData / vocabulary, vocab_size);
  const TestDirectory dir;
  const StoryCounts counts =
      tokenize_file(kData / "tinystories-valid-excerpt.txt", *tokenizer, dir / "shard.bin");
  EXPECT_EQ(counts.stories, 1728);
  EXPECT_EQ(counts.bytes, 1424708);
  EXPECT_TRUE(read_file(dir / "shard.bin") == read_file(kData / shard_name));
}

TEST(Llama2cTokenizer, ReproducesThePublishedShardOf512Tokens) {
  expect_published_shard("tok512.bin", 512, "tinystories-valid.tok512.u16.bin");
}

TEST(Llama2cTokenizer, ReproducesThePublishedShardOf32000Tokens) {
  expect_published_shard("llama2_tokenizer.bin", 32000, "tinystories-valid.llama2-32k.u16.bin");
}

TEST(Llama2cTokenizer, AMegabyteInOnePieceSurvives) {
  if (!std::filesystem::exists(kData / "tok512.bin")) GTEST_SKIP() << "no " << kData;
  const auto tokenizer = load_tokenizer(kData / "tok512.bin");
  const std::string text = read_file(kData / "tinystories-valid-excerpt.txt").substr(0, 1 << 20);
  EXPECT_TRUE(tokenizer->decode(tokenizer->encode(text, true)) == text);
}

TEST(LoadTokenizer, SaysWhatIsWrongWithAFile) {
  const std::string file = llama2c_file({{" ", 0}});
  EXPECT_EQ(error_of(file), "no error");
  EXPECT_EQ(error_of(file, 260), "no error");
  EXPECT_EQ(error_of(file, 259), "has 260 tokens, the model 259");
  EXPECT_EQ(error_of(file, 32000), "no error");  // rows that fill the model up
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of("{\"version\": \"1.0\"}"), HasSubstr("has no \"model\""));
  EXPECT_THAT(error_of(file + "abc"), HasSubstr("ends in the middle of a token at byte"));
  EXPECT_THAT(error_of(file + raw(0.0f) + raw(int32_t{5}) + "ab"), HasSubstr("length of 5"));
  EXPECT_THAT(error_of(file + raw(0.0f) + raw(int32_t{-5})), HasSubstr("length of -5"));
  EXPECT_THAT(error_of(file.substr(0, 4 + 13)), HasSubstr("fewer than the 259"));
  std::string renamed = file;
  renamed.replace(file.find("<0x41>"), 6, "<0x99>");
  EXPECT_THAT(error_of(renamed), HasSubstr("token 68 is not the byte token <0x41>"));
}

TEST(LoadTokenizer, SaysWhatAFileOfAnotherKindLooksLike) {
  const std::pair<std::string, const char*> files[] = {
      {"Once upon a time", "looks like text"},
      {"\nOnce upon a time", "looks like text"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"},
      {"<!DOCTYPE html>\n<html><head>", "a web page"},
      {"IQ== 0\nIg== 1\nIw== 2\n", "a tiktoken vocabulary"},
      {"#version: 0.2\na b\n", "the merges.txt of a byte-pair tokenizer"},
      {"{\"a\": 1}", "looks like JSON"},
      {std::string("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16), "a PNG image"},
      {std::string("PK\x03\x04") + std::string(40, '\0'), "a zip archive"},
      {std::string("\xF0\x01\x02\x03\x04\x05\x06\x07\x08", 9),
       "is neither a llama2.c tokenizer.bin"},
      // A llama2.c model: dim 64, hidden 172, 5 layers, 8 heads, 4 key/value heads, 512 tokens.
      {raw(int32_t{64}) + raw(int32_t{172}) + raw(int32_t{5}) + raw(int32_t{8}) + raw(int32_t{4}) +
           raw(int32_t{512}) + raw(int32_t{512}) + std::string(100, '\x3F'),
       "is neither a llama2.c tokenizer.bin"},
  };
  for (const auto& [content, says] : files) EXPECT_THAT(error_of(content), HasSubstr(says));
}

TEST(Llama2cTokenizer, DamagedFilesAreErrorsOrTokenizersNeverCrashes) {
  Random random(5);
  const std::string file = llama2c_file({{" ", 0}, {"a", 0}, {" a", 1}});
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = file.substr(0, random.below(file.size() + 1));
    for (uint64_t i = random.below(4); i > 0 && !damaged.empty(); --i) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    }
    try {
      Llama2cTokenizer(damaged, "t.bin").encode("a a", true);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal);
    }
  }
}

}  // namespace
}  // namespace anemone
