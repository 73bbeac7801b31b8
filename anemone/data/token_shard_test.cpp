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
