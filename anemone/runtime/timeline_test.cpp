#include "anemone/runtime/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anemone {
namespace {

using testing::ElementsAre;

std::vector<std::string> names(const std::vector<TimelineTotal>& totals) {
  std::vector<std::string> result;
  for (const TimelineTotal& total : totals) result.push_back(total.name);
  return result;
}

TEST(Timeline, ANameHasOneNumber) {
  Timeline timeline;
  const size_t first = timeline.name_id("attention");
  EXPECT_NE(timeline.name_id("loss"), first);
  EXPECT_EQ(timeline.name_id("attention"), first);
  EXPECT_THAT(names(timeline.names()), ElementsAre("attention", "loss"));
}

TEST(Timeline, TotalsAddUpLongestFirstWithoutIdleNames) {
  Timeline timeline;
  const size_t a = timeline.name_id("a"), b = timeline.name_id("b");
  timeline.name_id("never");
  timeline.add({a, Queue::kHost, 0, 1, 10, 100});
  timeline.add({b, Queue::kHost, 1, 5, 20, 200});
  timeline.add({a, Queue::kHost, 6, 2, 30, 300});
  const auto totals = timeline.totals();
  EXPECT_THAT(names(totals), ElementsAre("b", "a"));
  EXPECT_EQ(totals[1].count, 2);
  EXPECT_EQ(totals[1].total_ms, 3);
  EXPECT_EQ(totals[1].flops, 40);
  EXPECT_EQ(totals[1].bytes, 400);
}

TEST(Timeline, TotalsGoOnBeyondTheCapacity) {
  Timeline timeline(2);
  const size_t a = timeline.name_id("a");
  for (int i = 0; i < 5; ++i) timeline.add({a, Queue::kHost, 0, 1, 0, 0});
  EXPECT_EQ(timeline.events().size(), 2u);
  EXPECT_EQ(timeline.totals()[0].count, 5);
}

TEST(Timeline, ClearForgetsEventsButKeepsNames) {
  Timeline timeline(4);
  const size_t a = timeline.name_id("a");
  timeline.add({a, Queue::kHost, 0, 1, 0, 0});
  timeline.clear();
  EXPECT_TRUE(timeline.events().empty());
  EXPECT_TRUE(timeline.totals().empty());
  EXPECT_EQ(timeline.name_id("a"), a);
  for (int i = 0; i < 5; ++i) timeline.add({a, Queue::kHost, 0, 1, 0, 0});
  EXPECT_EQ(timeline.events().size(), 4u);
}

TEST(ScopedEvent, SpansItsScopeAndWithoutATimelineDoesNothing) {
  Timeline timeline;
  const size_t a = timeline.name_id("a");
  const double before = timeline.now_ms();
  { const ScopedEvent event(&timeline, a, 7, 8); }
  { const ScopedEvent event(nullptr, a); }
  ASSERT_EQ(timeline.events().size(), 1u);
  const Event& event = timeline.events()[0];
  EXPECT_GE(event.start_ms, before);
  EXPECT_GE(event.duration_ms, 0);
  EXPECT_LE(event.start_ms + event.duration_ms, timeline.now_ms());
  EXPECT_EQ(event.flops, 7);
  EXPECT_EQ(event.bytes, 8);
}

}  // namespace
}  // namespace anemone
