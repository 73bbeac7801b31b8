// Which tokens a micro-step sees (docs/training.md).
#include "anemone/train/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "anemone/base/error.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BatchesTest : public testing::Test {
 protected:
  // Token i of the shard is 100 + i.
  TokenShard shard_of(size_t tokens) {
    std::string bytes;
    for (size_t i = 0; i < tokens; ++i) {
      bytes += static_cast<char>(100 + i);
      bytes += '\0';
    }
    write_file(directory / "shard.bin", bytes);
    return TokenShard::open(directory / "shard.bin", 300);
  }

  // Moves on by one micro-step; checks that targets are the tokens one further on.
  static std::vector<int32_t> next(Batches& batches, size_t size) {
    std::vector<int32_t> tokens(size), targets(size);
    batches.next(tokens, targets);
    for (size_t i = 0; i < size; ++i) EXPECT_EQ(targets[i], tokens[i] + 1);
    return tokens;
  }

  static std::string error_of(const TokenShard& shard, int64_t batch, int64_t sequence,
                              Order order) {
    try {
      const Batches batches(shard, batch, sequence, order, 1);
    } catch (const Error& error) {
      EXPECT_THAT(error.where(), HasSubstr("shard.bin"));
      return error.message();
    }
    return "no error";
  }

  TestDirectory directory;
};

TEST_F(BatchesTest, SequentialBlocksFollowEachOtherAndTargetsAreOneFurtherOn) {
  const TokenShard shard = shard_of(20);
  Batches batches(shard, 2, 3, Order::kSequential, 1);
  EXPECT_THAT(next(batches, 6), ElementsAre(100, 101, 102, 103, 104, 105));
  EXPECT_THAT(next(batches, 6), ElementsAre(106, 107, 108, 109, 110, 111));
}

TEST_F(BatchesTest, WiderRowsEndInPaddingWhoseTargetsAreIgnored) {
  const TokenShard shard = shard_of(20);
  Batches batches(shard, 2, 3, Order::kSequential, 1);
  std::vector<int32_t> tokens(10, 7), targets(10, 7);
  batches.next(tokens, targets);
  EXPECT_THAT(tokens, ElementsAre(100, 101, 102, 0, 0, 103, 104, 105, 0, 0));
  EXPECT_THAT(targets, ElementsAre(101, 102, 103, -1, -1, 104, 105, 106, -1, -1));
}

TEST_F(BatchesTest, SequentialStartsOverAfterTheLastWholeBlock) {
  // W = floor((tokens - 1) / 6): 18 tokens are 2 blocks, 19 are 3.
  for (const auto& [tokens, blocks] : {std::pair{18, 2}, {19, 3}, {24, 3}, {25, 4}}) {
    const TokenShard shard = shard_of(static_cast<size_t>(tokens));
    Batches batches(shard, 2, 3, Order::kSequential, 1);
    for (int step = 0; step < 3 * blocks; ++step) {
      EXPECT_EQ(next(batches, 6)[0], 100 + step % blocks * 6) << tokens << " tokens";
    }
  }
}

TEST_F(BatchesTest, RandomWindowsStayInsideAndStartEverywhere) {
  const TokenShard shard = shard_of(9);
  Batches batches(shard, 2, 4, Order::kRandom, 7);
  std::set<int32_t> starts;
  for (int step = 0; step < 200; ++step) {
    const std::vector<int32_t> tokens = next(batches, 8);
    for (size_t row : {0u, 4u}) {
      starts.insert(tokens[row]);
      EXPECT_EQ(tokens[row + 3], tokens[row] + 3);
    }
  }
  EXPECT_THAT(starts, ElementsAre(100, 101, 102, 103, 104));  // the last target is token 8
}

TEST_F(BatchesTest, SameSeedSameWindowsAndAnotherSeedOthers) {
  const TokenShard shard = shard_of(100);
  Batches first(shard, 8, 2, Order::kRandom, 5), second(shard, 8, 2, Order::kRandom, 5),
      other(shard, 8, 2, Order::kRandom, 6);
  for (int step = 0; step < 5; ++step) {
    const std::vector<int32_t> tokens = next(first, 16);
    EXPECT_EQ(next(second, 16), tokens);
    EXPECT_NE(next(other, 16), tokens);
  }
}

TEST_F(BatchesTest, SeekGoesOnWhereAPositionWasTaken) {
  const TokenShard shard = shard_of(100);
  for (Order order : {Order::kRandom, Order::kSequential}) {
    Batches batches(shard, 2, 5, order, 5);
    for (int step = 0; step < 3; ++step) next(batches, 10);
    const Batches::Position position = batches.position();
    EXPECT_EQ(position.micro_step, 3);
    const std::vector<int32_t> fourth = next(batches, 10), fifth = next(batches, 10);
    Batches again(shard, 2, 5, order, 99);
    again.seek(position);
    EXPECT_EQ(next(again, 10), fourth);
    EXPECT_EQ(next(again, 10), fifth);
    EXPECT_EQ(again.position().micro_step, 5);
  }
}

TEST_F(BatchesTest, AShardOfExactlyOneMicroStepIsEnough) {
  const TokenShard shard = shard_of(7);
  Batches sequential(shard, 2, 3, Order::kSequential, 1), random(shard, 4, 6, Order::kRandom, 1);
  for (int step = 0; step < 3; ++step) {
    EXPECT_EQ(next(sequential, 6)[0], 100);
    EXPECT_EQ(next(random, 24)[18], 100);
  }
}

TEST_F(BatchesTest, ATooShortShardIsRefusedWithBothNumbers) {
  const TokenShard shard = shard_of(6);
  EXPECT_THAT(error_of(shard, 2, 3, Order::kSequential),
              HasSubstr("has 6 tokens, fewer than the 7 of"));
  EXPECT_THAT(error_of(shard, 1, 6, Order::kRandom), HasSubstr("has 6 tokens, fewer than the 7"));
  EXPECT_EQ(error_of(shard, 2, 5, Order::kRandom), "no error");  // rows may overlap
}

}  // namespace
}  // namespace anemone
