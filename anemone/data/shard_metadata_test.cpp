#include "anemone/data/shard_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/content_hash.h"
#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

// As Python's xxhash prints them: xxh3_128(b"...").hexdigest().
TEST(ContentHash, IsXxh3Of128Bits) {
  EXPECT_EQ(content_hash(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(content_hash("tokenizer"), "d189135707f48980879388ec2a51e756");
}

TEST(ShardMetadata, SurvivesItsFile) {
  const TestDirectory dir;
  EXPECT_FALSE(read_shard_metadata(dir / "s.bin"));
  write_file(dir / "s.bin", "");
  write_shard_metadata(dir / "s.bin", {.tokens = 7,
                                       .token_bytes = 4,
                                       .vocab_size = 70000,
                                       .tokenizer_hash = "00ff",
                                       .tokenizer_name = "t.model",
                                       .bos = 3,
                                       .eos = -1});
  const auto read = read_shard_metadata(dir / "s.bin");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->tokens, 7);
  EXPECT_EQ(read->token_bytes, 4);
  EXPECT_EQ(read->vocab_size, 70000);
  EXPECT_EQ(read->tokenizer_hash, "00ff");
  EXPECT_EQ(read->tokenizer_name, "t.model");
  EXPECT_EQ(read->bos, 3);
  EXPECT_EQ(read->eos, -1);
}

TEST(ShardMetadata, TellsTokenizersApart) {
  const TestDirectory dir;
  write_file(dir / "s.bin", "");
  write_file(dir / "a.model", "tokenizer");
  write_file(dir / "b.model", "another");
  EXPECT_NO_THROW(check_made_with(dir / "s.bin", dir / "b.model"));  // nothing is known
  write_shard_metadata(dir / "s.bin", {.tokens = 1,
                                       .vocab_size = 300,
                                       .tokenizer_hash = "d189135707f48980879388ec2a51e756",
                                       .tokenizer_name = "a.model"});
  EXPECT_NO_THROW(check_made_with(dir / "s.bin", dir / "a.model"));
  try {
    check_made_with(dir / "s.bin", dir / "b.model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("was made with another tokenizer, a.model, than"));
  }
}

TEST(ShardMetadata, FilesOfOthersAreNotReplaced) {
  const TestDirectory dir;
  EXPECT_NO_THROW(check_metadata_place(dir / "s.bin"));
  for (const char* content : {"{\"a\": 1}", "no JSON"}) {
    write_file(dir / "s.bin.json", content);
    EXPECT_THROW(check_metadata_place(dir / "s.bin"), Error);
  }
  write_file(dir / "s.bin", "");
  write_shard_metadata(dir / "s.bin", {.tokens = 1, .vocab_size = 300});
  EXPECT_NO_THROW(check_metadata_place(dir / "s.bin"));
}

}  // namespace
}  // namespace anemone
