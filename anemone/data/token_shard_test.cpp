#include "anemone/data/token_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "anemone/base/error.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TokenShard shard_of(const TestDirectory& dir, std::string_view bytes, int64_t vocab_size) {
  write_file(dir / "s.bin", bytes);
  return TokenShard::open(dir / "s.bin", vocab_size);
}

constexpr std::string_view kEightBytes("\x01\x00\x05\x00\xFF\x01\x05\x00", 8);

TEST(TokenShard, TheVocabularyDecidesTheWidthOfAnId) {
  const TestDirectory dir;
  const TokenShard narrow = shard_of(dir, kEightBytes, 65536);
  EXPECT_EQ(narrow.size(), 4);
  EXPECT_EQ(narrow.at(2), 0x1FF);
  const TokenShard wide = shard_of(dir, kEightBytes, 65537);
  EXPECT_EQ(wide.size(), 2);
  EXPECT_EQ(wide.at(0), 0x50001);
}

TEST(TokenShard, ReadsARangeOfIds) {
  const TestDirectory dir;
  const TokenShard shard = shard_of(dir, kEightBytes, 512);
  std::array<int32_t, 3> ids{};
  shard.read(1, ids);
  EXPECT_THAT(ids, ElementsAre(5, 511, 5));
  EXPECT_THROW(shard.read(2, ids), Error);
  EXPECT_THROW(shard.read(-1, ids), Error);
  EXPECT_THROW(shard.at(4), Error);
  const TokenShard wide = shard_of(dir, kEightBytes, 1 << 20);
  wide.read(0, std::span(ids).first(2));
  EXPECT_THAT(ids, ElementsAre(0x50001, 0x501FF, 5));
}

TEST(TokenShard, FilesThatAreNoShardsAreRefused) {
  const TestDirectory dir;
  EXPECT_THAT(error_of([&] { TokenShard::open(dir / "absent", 512); }), HasSubstr("No such file"));
  EXPECT_THAT(error_of([&] { shard_of(dir, "", 512); }), HasSubstr("is empty"));
  EXPECT_THAT(error_of([&] { shard_of(dir, "abc", 512); }),
              HasSubstr("3 bytes are not a whole number of 2-byte"));
  EXPECT_THAT(error_of([&] { shard_of(dir, "abcdef", 100000); }),
              HasSubstr("6 bytes are not a whole number of 4-byte"));
  EXPECT_THAT(error_of([&] { shard_of(dir, "ab", 0); }), HasSubstr("makes no sense"));
}

void expect_refused(const TestDirectory& dir, const std::string& content, const char* says) {
  EXPECT_THAT(error_of([&] { shard_of(dir, content, 50257); }), HasSubstr(says));
}

// The header that numpy.save 2.4 writes before elements of `type`.
std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string header = "{'descr': " + type + ", 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\0v\0", 10) + header + "\n" + data;
}

std::string words(std::initializer_list<int32_t> values, size_t count) {
  std::vector<int32_t> all(values);
  all.resize(count);
  return {reinterpret_cast<const char*>(all.data()), count * sizeof(int32_t)};
}

std::vector<int32_t> ids_of(const TokenShard& shard) {
  std::vector<int32_t> ids(static_cast<size_t>(shard.size()));
  shard.read(0, ids);
  return ids;
}

TEST(TokenShard, NumpyFilesAreReadByTheirHeader) {
  const TestDirectory dir;
  const std::string three("\x05\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0", 24);
  EXPECT_THAT(ids_of(shard_of(dir, npy("'<i8'", "(3,)", three), 512)), ElementsAre(5, 7, 9));
  EXPECT_THAT(ids_of(shard_of(dir, npy("'<u4'", "(6,)", three), 70000)),
              ElementsAre(5, 0, 7, 0, 9, 0));
  EXPECT_THAT(ids_of(shard_of(dir, npy("'<i4'", "(6,)", three), 512)),
              ElementsAre(5, 0, 7, 0, 9, 0));
  // The vocabulary does not decide the width.
  EXPECT_EQ(shard_of(dir, npy("'<u2'", "(12,)", three), 70000).at(4), 7);
  // numpy.lib.format.write_array(version=(2, 0))
  std::string second = npy("'<i8'", "(3,)", three);
  second.replace(6, 4, std::string("\x02\0t\0\0\0", 6)).erase(127, 2);
  EXPECT_THAT(ids_of(shard_of(dir, second, 512)), ElementsAre(5, 7, 9));
  EXPECT_THAT(
      error_of([&] { shard_of(dir, npy("'<i4'", "(1,)", "\xFF\xFF\xFF\xFF"), 512).check_ids(); }),
      HasSubstr("token 0: id -1 is outside"));
}

TEST(TokenShard, NumpyFilesThatHoldNoIdsAreRefused) {
  const TestDirectory dir;
  const std::string data(24, '\0');
  const std::pair<std::string, const char*> files[] = {
      {npy("'>u2'", "(12,)", data), "elements of type '>u2'"},
      {npy("'<f4'", "(6,)", data), "elements of type '<f4'"},
      {npy("'|u1'", "(24,)", data), "elements of type '|u1'"},
      {npy("[('a', '<u2')]", "(12,)", data), "elements of type a structure"},
      {npy("'<u2'", "(3, 4)", data), "has shape [3, 4]"},
      {npy("'<u2'", "()", data), "has shape []"},
      {npy("'<u2'", "(13,)", data), "says 13 tokens of 2 bytes, but 24 bytes follow"},
      {npy("'<u2'", "(11,)", data), "says 11 tokens of 2 bytes, but 24 bytes follow"},
      {npy("'<i8'", "(9223372036854775807,)", data), "but 24 bytes follow"},
      {npy("'<u2'", "(0,)", ""), "is empty"},
      {npy("'<u2'", "(12,)", data).substr(0, 60), "header is damaged"},
  };
  for (const auto& [content, says] : files) expect_refused(dir, content, says);
}

// dev/data/data_common.py of llm.c, write_datafile.
TEST(TokenShard, ShardsOfLlmcAreReadByTheirHeader) {
  const TestDirectory dir;
  const std::string gpt2 = words({20240520, 1, 4}, 256) + std::string(kEightBytes);
  EXPECT_THAT(ids_of(shard_of(dir, gpt2, 50257)), ElementsAre(1, 5, 511, 5));
  EXPECT_EQ(shard_of(dir, gpt2, 70000).size(), 4);
  const std::string llama3 = words({20240801, 7, 2}, 256) + std::string(kEightBytes);
  EXPECT_THAT(ids_of(shard_of(dir, llama3, 1 << 20)), ElementsAre(0x50001, 0x501FF));

  const std::pair<std::string, const char*> refused[] = {
      {words({20240520, 2, 4}, 256) + std::string(kEightBytes), "of version 2, and 1 is read"},
      {words({20240520, 1, 5}, 256) + std::string(kEightBytes), "says 5 tokens of 2 bytes, but 8"},
      {words({20240520, 1, -1}, 256) + std::string(kEightBytes), "says -1 tokens"},
      {words({20240520, 1, 4}, 8), "cut inside the 1024 bytes"},
      {words({20240522, 1, 4}, 256), "looks like a model, tokenizer or evaluation file of llm.c"},
  };
  for (const auto& [content, says] : refused) expect_refused(dir, content, says);
}

TEST(TokenShard, FilesOfOtherKindsAreCalledByName) {
  const TestDirectory dir;
  const std::string error = error_of([&] { shard_of(dir, "once upon a time there was", 32000); });
  EXPECT_THAT(error, HasSubstr("looks like text, not token ids"));
  EXPECT_THAT(error, HasSubstr("anemone data tokenize"));
  EXPECT_THAT(error_of([&] { shard_of(dir, std::string("PAR1\x15\0\x15\0", 8), 512); }),
              HasSubstr("looks like a Parquet table"));
}

// A side file by hand.
void describe_shard(const TestDirectory& dir, const std::string& rest) {
  write_file(
      dir / "s.bin.json",
      R"({"format": "anemone token shard", "version": 1, "bos": 1, "eos": 2, )" + rest + "}");
}

TEST(TokenShard, ASideFileIsHeldTo) {
  const TestDirectory dir;
  const auto error = [&](int64_t vocabulary) {
    return error_of([&] { shard_of(dir, kEightBytes, vocabulary); });
  };
  describe_shard(dir, R"("tokens": 4, "dtype": "uint16", "vocab_size": 512)");
  EXPECT_EQ(error(512), "no error");
  EXPECT_EQ(error(544), "no error");  // rows that fill a model up
  EXPECT_THAT(error(32000), HasSubstr("was made with a vocabulary of 512 tokens, not 32000"));
  EXPECT_THAT(error(500), HasSubstr("512 tokens, not 500"));
  // Rows beyond 65,536 do not make the ids wider.
  describe_shard(dir, R"("tokens": 4, "dtype": "uint16", "vocab_size": 65536)");
  EXPECT_EQ(shard_of(dir, kEightBytes, 65600).at(2), 511);
  describe_shard(dir, R"("tokens": 5, "dtype": "uint16", "vocab_size": 512)");
  EXPECT_THAT(error(512), HasSubstr("has 8 bytes, and"));
  EXPECT_THAT(error(512), HasSubstr("says 5 tokens of 2 bytes"));
  describe_shard(dir, R"("tokens": 4)");
  EXPECT_THAT(error(512), HasSubstr("it is damaged"));
  write_file(dir / "s.bin.json", "{}");
  EXPECT_THAT(error(512), HasSubstr("does not describe the token shard"));
}

TEST(TokenShard, AnIdOutsideTheVocabularyIsNamedWithItsPosition) {
  const TestDirectory dir;
  EXPECT_NO_THROW(shard_of(dir, kEightBytes, 512).check_ids());
  EXPECT_THAT(error_of([&] { shard_of(dir, kEightBytes, 511).check_ids(); }),
              HasSubstr("s.bin, token 2: id 511 is outside the vocabulary of 511"));
  EXPECT_THAT(error_of([&] { shard_of(dir, "\xFF\xFF\xFF\xFF", 70000).check_ids(); }),
              HasSubstr("id 4294967295"));
}

TEST(TokenShard, AWindowLongerThanTheShardIsRefused) {
  const TestDirectory dir;
  const TokenShard shard = shard_of(dir, kEightBytes, 512);
  EXPECT_NO_THROW(shard.require_window(4));
  EXPECT_THAT(error_of([&] { shard.require_window(5); }),
              HasSubstr("has 4 tokens, fewer than the 5"));
}

TEST(TokenShard, InfoCountsTheIds) {
  const TestDirectory dir;
  const ShardInfo info = shard_info(shard_of(dir, kEightBytes, 512));
  EXPECT_EQ(info.tokens, 4);
  EXPECT_EQ(info.distinct_ids, 3);
  EXPECT_EQ(info.documents, 1);
  EXPECT_EQ(info.minimum_id, 1);
  EXPECT_EQ(info.maximum_id, 511);
  EXPECT_THAT(info.most_frequent, ElementsAre(Pair(5, 2), Pair(1, 1), Pair(511, 1)));
  EXPECT_EQ(shard_info(shard_of(dir, kEightBytes, 512), 1, 1).most_frequent.size(), 1u);
  EXPECT_THROW(shard_info(shard_of(dir, kEightBytes, 300)), Error);
}

TEST(TokenShard, ThePublishedShardHasTheDocumentedCounts) {
  const std::filesystem::path path =
      ANEMONE_SOURCE_DIR "/../shared/data/tinystories-valid.tok512.u16.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const ShardInfo info = shard_info(TokenShard::open(path, 512));
  EXPECT_EQ(info.tokens, 681862);
  EXPECT_EQ(info.documents, 1728);
}

}  // namespace
}  // namespace anemone
