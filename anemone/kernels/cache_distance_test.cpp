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

}  // namespace
}  // namespace anemone
