#include "anemone/kernels/cache_distance.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

TEST(CacheDistance, IsMeasuredBetweenTwoThreadsThatRun) {
  ThreadPool pool(2);
  double hop = 0;
  // Somebody else may have the other processor for a while.
  for (int attempt = 0; attempt < 1000 && hop == 0; ++attempt) hop = detail::hop_ns(pool);
  if (hop == 0) GTEST_SKIP() << "the two threads never ran at the same time";
  EXPECT_GT(hop, 1);
  EXPECT_LT(hop, 1e6);
}

TEST(CacheDistance, OneThreadOrManyShareNothing) {
  ThreadPool one(1), three(3);
  EXPECT_FALSE(threads_share_a_cache(one));
  EXPECT_FALSE(threads_share_a_cache(three));
}

// A product that asks for it many times in a second gets the same answer.
TEST(CacheDistance, IsLookedAtOnceASecond) {
  ThreadPool pool(2);
  const bool first = threads_share_a_cache(pool);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(threads_share_a_cache(pool), first);
}

}  // namespace
}  // namespace anemone
