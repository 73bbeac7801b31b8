#include "anemone/data/stories_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/data/shard_metadata.h"
#include "anemone/data/token_shard.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> stories(std::string_view text) {
  std::vector<std::string> list;
  for_each_story(text, [&](std::string_view story) { list.emplace_back(story); });
  return list;
}

// One token a byte, BOS `vocab_size` - 1.
class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(int vocab_size) : vocab_size_(vocab_size) {}
  int vocab_size() const override { return vocab_size_; }
  int bos() const override { return vocab_size_ - 1; }
  int eos() const override { return -1; }
  std::vector<int> encode(std::string_view text, bool add_bos) const override {
    std::vector<int> ids;
    if (add_bos) ids.push_back(bos());
    for (char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    return ids;
  }

 protected:
  std::string_view piece(int) const override { return "x"; }

 private:
  int vocab_size_;
};

TEST(StoriesText, SeparatorsSplitAndSpaceAtTheEndsGoes) {
  EXPECT_THAT(stories("\nOne.\n\nStill one. \n<|endoftext|>\n\n\tTwo.\r\n<|endoftext|>Three"),
              ElementsAre("One.\n\nStill one.", "Two.", "Three"));
}

TEST(StoriesText, WithoutSeparatorsAStoryEndsWithItsLineAndBlankLinesPartParagraphs) {
  EXPECT_THAT(stories("One.\n\nStill one.\nTwo.\n \n\nStill two.\r\nThree.\n"),
              ElementsAre("One.\n\nStill one.", "Two.\n \n\nStill two.", "Three."));
  EXPECT_THAT(stories("\n\nOne.\n\n"), ElementsAre("One."));
  EXPECT_THAT(stories("One.\nTwo.<|endoftext|>"), ElementsAre("One.\nTwo."));
}

TEST(StoriesText, EmptyPartsAreNoStories) {
  EXPECT_THAT(stories(""), ElementsAre());
  EXPECT_THAT(stories(" \n "), ElementsAre());
  EXPECT_THAT(stories("<|endoftext|>\n<|endoftext|>a<|endoftext|>"), ElementsAre("a"));
  EXPECT_THAT(stories("a<|endoftext|b"), ElementsAre("a<|endoftext|b"));
}

TEST(StoriesText, TokenizingPutsBosBeforeEachStoryAndCounts) {
  const TestDirectory dir;
  write_file(dir / "text.txt", "ab\n<|endoftext|>\nc\n");
  for (int vocab_size : {300, 65536, 65537}) {
    const StoryCounts counts =
        tokenize_file(dir / "text.txt", ByteTokenizer(vocab_size), dir / "s.bin");
    EXPECT_EQ(counts.stories, 2);
    EXPECT_EQ(counts.tokens, 5);
    EXPECT_EQ(counts.bytes, 19);
    const TokenShard shard = TokenShard::open(dir / "s.bin", vocab_size);
    ASSERT_EQ(shard.size(), 5);
    EXPECT_EQ(shard.at(0), vocab_size - 1);
    EXPECT_EQ(shard.at(2), 'b');
    EXPECT_EQ(shard.at(3), vocab_size - 1);
    EXPECT_EQ(shard_info(shard, vocab_size - 1).documents, 2);
  }
}

TEST(StoriesText, AFileWithoutSeparatorsIsRefusedBeforeItFillsTheMemory) {
  const TestDirectory dir;
  write_file(dir / "text.txt", std::string((1 << 26) + 1, 'a'));
  try {
    tokenize_file(dir / "text.txt", ByteTokenizer(300), dir / "s.bin");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "story 1 has 67108865 bytes, more than 67108864");
  }
}

TEST(StoriesText, TheSideFileTellsHowTheShardWasMade) {
  const TestDirectory dir;
  write_file(dir / "text.txt", "ab\n<|endoftext|>\nc\n");
  write_file(dir / "t.model", "tokenizer");
  tokenize_file(dir / "text.txt", ByteTokenizer(70000), dir / "s.bin", dir / "t.model");
  const auto metadata = read_shard_metadata(dir / "s.bin");
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->tokens, 5);
  EXPECT_EQ(metadata->token_bytes, 4);
  EXPECT_EQ(metadata->vocab_size, 70000);
  EXPECT_EQ(metadata->tokenizer_name, "t.model");
  EXPECT_NO_THROW(check_made_with(dir / "s.bin", dir / "t.model"));
}

TEST(StoriesText, FilesThatAreNoTextAreCalledByName) {
  const TestDirectory dir;
  const std::pair<std::string, const char*> files[] = {
      {std::string("\x89PNG\r\n\x1A\n\0\0\0\r", 12), "looks like a PNG image, not text"},
      {std::string("\x01\0\x05\0\xFF\x01", 6), "looks like binary data, not text"},
      {std::string("\xFF\xFEO\0n\0c\0e\0 \0u\0p\0", 16), "looks like text in UTF-16"},
  };
  for (const auto& [content, says] : files) {
    write_file(dir / "text.txt", content);
    try {
      tokenize_file(dir / "text.txt", ByteTokenizer(300), dir / "s.bin");
      FAIL() << says;
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr(says));
    }
  }
}

TEST(StoriesText, ATextWithoutStoriesLeavesNoShard) {
  const TestDirectory dir;
  write_file(dir / "text.txt", "\n<|endoftext|>\n");
  EXPECT_THROW(tokenize_file(dir / "text.txt", ByteTokenizer(300), dir / "s.bin"), Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "s.bin"));
  EXPECT_THROW(tokenize_file(dir / "absent", ByteTokenizer(300), dir / "s.bin"), Error);
}

}  // namespace
}  // namespace anemone
