// A product that a signal interrupts.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "anemone/kernels/gemm.h"

namespace anemone {
namespace {

std::atomic<const char*> stack_of_test = nullptr;
std::atomic<int> handled = 0, elsewhere = 0;

// Counts the handlers whose stack is not that of the test: they overwrite what lies there.
void note_stack(int) {
  const char here = 0;
  constexpr std::ptrdiff_t kStack = 1 << 20;
  if (std::abs(&here - stack_of_test.load()) > kStack) ++elsewhere;
  ++handled;
}

// Interrupts the thread that made it again and again.
class Interrupter {
 public:
  Interrupter() {
    struct sigaction action = {};
    action.sa_handler = note_stack;
    sigaction(SIGUSR1, &action, &before_);
    thread_ = std::thread([this, target = pthread_self()] {
      for (; !done_; std::this_thread::sleep_for(std::chrono::microseconds(1))) {
        pthread_kill(target, SIGUSR1);
      }
    });
  }
  ~Interrupter() {
    done_ = true;
    thread_.join();
    sigaction(SIGUSR1, &before_, nullptr);
  }

 private:
  std::atomic<bool> done_ = false;
  struct sigaction before_;
  std::thread thread_;
};

// oneDNN before 3.11.2 points the stack register into its work space
// (github.com/uxlfoundation/oneDNN/issues/4845): a handler would write its frame there, over the
// heap behind it.
TEST(GemmSignals, HandlersNeverRunOnWhatIsNoStack) {
  const char here = 0;
  stack_of_test = &here;
  constexpr int64_t kRows = 8, kColumns = 24, kSum = 300;
  const std::vector<float> a(kRows * kSum, 1.0f), b(kSum * kColumns, 2.0f);
  std::vector<float> c(kRows * kColumns);
  const Interrupter interrupter;
  for (int product = 0; product < 2000 || handled < 100; ++product) {
    gemm({.transpose_a = true,
          .transpose_b = true,
          .m = kRows,
          .n = kColumns,
          .k = kSum,
          .a = a.data(),
          .a_stride = kRows,
          .b = b.data(),
          .b_stride = kSum,
          .c = c.data(),
          .c_stride = kColumns});
    ASSERT_EQ(elsewhere, 0) << "after " << handled << " signals";
  }
  EXPECT_EQ(c[0], 2.0f * kSum);
}

}  // namespace
}  // namespace anemone
