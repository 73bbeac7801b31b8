#include "anemone/base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace anemone {
namespace {

TEST(ThreadPool, VisitsEveryIndexOnceWhateverTheGrain) {
  ThreadPool pool(3);
  for (size_t count : {0u, 1u, 2u, 7u, 64u, 1000u}) {
    for (size_t grain : {1u, 4u, 100u}) {
      std::vector<int> visits(count, 0);
      pool.parallel_for(count, grain, [&](size_t begin, size_t end, int) {
        for (size_t i = begin; i < end; ++i) ++visits[i];
      });
      EXPECT_EQ(std::accumulate(visits.begin(), visits.end(), size_t{0}), count);
      for (int v : visits) EXPECT_EQ(v, 1);
    }
  }
}

TEST(ThreadPool, PiecesStartAtMultiplesOfTheGrain) {
  ThreadPool pool(2);
  pool.parallel_for(100, 16, [](size_t begin, size_t, int thread) {
    EXPECT_EQ(begin % 16, 0u);
    EXPECT_LT(thread, 2);
  });
}

TEST(ThreadPool, RethrowsWhatAPieceThrew) {
  ThreadPool pool(2);
  const auto throwing = [](size_t begin, size_t, int) {
    if (begin > 0) throw std::runtime_error("piece");
  };
  EXPECT_THROW(pool.parallel_for(10, 1, throwing), std::runtime_error);
  std::atomic<size_t> sum = 0;
  pool.parallel_for(10, 1, [&](size_t begin, size_t end, int) { sum += end - begin; });
  EXPECT_EQ(sum, 10u);
}

TEST(ThreadPool, GivesAThreadOnePieceAtATime) {
  ThreadPool pool(4);
  std::atomic<int> running[4] = {};
  for (int round = 0; round < 500; ++round) {
    pool.parallel_for(16, 1, [&](size_t, size_t, int thread) {
      EXPECT_EQ(++running[thread], 1);
      --running[thread];
    });
  }
}

TEST(ThreadPool, SurvivesManyShortRounds) {
  ThreadPool pool(2);
  std::vector<int> cells(8, 0);
  for (int round = 0; round < 20000; ++round) {
    pool.parallel_for(8, 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) ++cells[i];
    });
  }
  for (int cell : cells) EXPECT_EQ(cell, 20000);
}

// Longer than either side looks for the other before it sleeps.
TEST(ThreadPool, WakesAWorkerAndACallerThatSleep) {
  using std::chrono::milliseconds;
  ThreadPool pool(2);
  std::atomic<size_t> sum = 0;
  for (size_t round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(milliseconds(2));
    pool.parallel_for(2, 1, [&](size_t begin, size_t end, int) {
      if (begin == round % 2) std::this_thread::sleep_for(milliseconds(2));
      sum += end - begin;
    });
    EXPECT_EQ(sum, 2 * (round + 1));
  }
}

}  // namespace
}  // namespace anemone
