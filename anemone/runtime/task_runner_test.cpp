// The simulated clock: queues in order, and tasks that wait for what they read and overwrite.
#include "anemone/runtime/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/cpu_device.h"

namespace anemone {
namespace {

// A host that does a byte of element-wise work a millisecond, and a device whose runs take 10.
class ByteClock final : public Simulation {
 public:
  bool values() const override { return compute; }
  double run_ms(Executable&, double) override { return 10; }
  double host_ms(const HostWork& work) const override { return work.elementwise_bytes; }
  double recompile_ms(Executable&) override { return 0; }
  double restart_ms() override { return 0; }

  bool compute = true;
};

class NoProgram final : public Executable {
 public:
  const std::vector<std::pair<std::string, Type>>& inputs() const override { return none_; }
  const std::vector<std::pair<std::string, Type>>& outputs() const override { return none_; }
  const ExecutableStats& stats() const override { return stats_; }
  std::unique_ptr<Request> bind(std::span<const Binding>, std::span<const Binding>) override {
    return nullptr;
  }

 private:
  std::vector<std::pair<std::string, Type>> none_;
  ExecutableStats stats_;
};

class TaskRunnerTest : public testing::Test {
 protected:
  Task task(Queue queue, double ms, std::vector<const Buffer*> reads,
            std::vector<const Buffer*> writes) {
    Task result;
    result.event = runner.name_id("work");
    result.queue = queue;
    result.program = &program;
    result.work.elementwise_bytes = ms;
    result.reads = std::move(reads);
    result.writes = std::move(writes);
    result.run = [this] { ++runs; };
    return result;
  }
  Task host(double ms, std::vector<const Buffer*> reads, std::vector<const Buffer*> writes) {
    return task(Queue::kHost, ms, std::move(reads), std::move(writes));
  }
  // Start of the last event.
  double last_start() const { return timeline.events().back().start_ms; }

  ThreadPool pool{1};
  std::unique_ptr<Device> cpu = make_cpu_device(pool);
  std::unique_ptr<Buffer> a = cpu->allocate(Type::tensor(DType::kFp32, {1})),
                          b = cpu->allocate(Type::tensor(DType::kFp32, {1}));
  Timeline timeline;
  ByteClock clock;
  NoProgram program;
  TaskRunner runner{&timeline, &clock};
  int runs = 0;
};

TEST_F(TaskRunnerTest, TasksOfOneQueueFollowEachOther) {
  runner.run(host(3, {}, {a.get()}));
  runner.run(host(4, {}, {b.get()}));
  EXPECT_EQ(last_start(), 3);
  EXPECT_EQ(runner.now_ms(), 7);
  EXPECT_TRUE(timeline.simulated());
}

TEST_F(TaskRunnerTest, QueuesRunSideBySide) {
  runner.run(task(Queue::kDevice, 0, {}, {a.get()}));
  runner.run(host(4, {}, {b.get()}));
  EXPECT_EQ(last_start(), 0);
  EXPECT_EQ(runner.now_ms(), 10);
}

TEST_F(TaskRunnerTest, AReaderWaitsForTheWriter) {
  runner.run(task(Queue::kDevice, 0, {}, {a.get()}));
  runner.run(host(4, {a.get()}, {b.get()}));
  EXPECT_EQ(last_start(), 10);
}

TEST_F(TaskRunnerTest, AWriterWaitsForReadersOfWhatItOverwrites) {
  runner.run(task(Queue::kBackground, 7, {a.get()}, {}));
  runner.run(host(1, {}, {a.get()}));
  EXPECT_EQ(last_start(), 7);
  runner.run(task(Queue::kDevice, 0, {}, {a.get()}));
  EXPECT_EQ(last_start(), 8) << "a second writer waits for the first";
}

TEST_F(TaskRunnerTest, JoiningWaitsForTheBackgroundAndSaysHowLong) {
  runner.run(task(Queue::kBackground, 7, {}, {a.get()}));
  runner.run(host(2, {}, {b.get()}));
  runner.join();
  EXPECT_EQ(timeline.category_ms("cblas_wait"), 5);
  runner.run(host(1, {}, {b.get()}));
  EXPECT_EQ(last_start(), 7);
}

TEST_F(TaskRunnerTest, SomethingOfFixedTimeHoldsEverybodyUp) {
  runner.record_fixed(runner.name_id("compile", "compile"), 20);
  runner.run(task(Queue::kDevice, 0, {}, {a.get()}));
  EXPECT_EQ(last_start(), 20);
  EXPECT_EQ(timeline.category_ms("compile"), 20);
}

TEST_F(TaskRunnerTest, WithoutValuesNothingIsComputedButTimePasses) {
  runner.run(host(1, {}, {a.get()}));
  EXPECT_EQ(runs, 1);
  clock.compute = false;
  runner.run(host(1, {}, {a.get()}));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(runner.now_ms(), 2);
}

TEST_F(TaskRunnerTest, WithoutASimulationTimeIsTheWallClocks) {
  TaskRunner real(&timeline, nullptr);
  real.run(host(1e9, {}, {a.get()}));
  EXPECT_EQ(runs, 1);
  EXPECT_LT(real.now_ms(), 1e6);
}

TEST(ChromeTrace, HasARowForEveryQueueAndSaysWhetherItIsSimulated) {
  Timeline timeline;
  timeline.set_simulated(true);
  timeline.add({timeline.name_id("attention", "ane"), Queue::kDevice, 1.5, 2, 3e9, 4e6});
  const std::string trace = chrome_trace(timeline, "sim:m4-max");
  for (const char* part :
       {"\"name\":\"attention\"", "\"cat\":\"ane\"", "\"ts\":1500.0", "\"dur\":2000.0",
        "\"GFLOP\":3.0", "\"MB\":4.0", "sim:m4-max (simulated time)", "\"simulated\":true",
        "\"name\":\"device\"", "\"name\":\"host, background\"", "\"events_left_out\":0"}) {
    EXPECT_THAT(trace, testing::HasSubstr(part));
  }
}

TEST(ChromeTrace, SaysHowManyEventsItCouldNotKeep) {
  Timeline timeline(2);
  for (int i = 0; i < 5; ++i) timeline.add({timeline.name_id("work"), Queue::kHost, 0, 1});
  EXPECT_EQ(timeline.left_out(), 3);
  EXPECT_THAT(chrome_trace(timeline, "cpu"), testing::HasSubstr("\"events_left_out\":3"));
}

}  // namespace
}  // namespace anemone
