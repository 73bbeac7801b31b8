// Whole networks of convolutions on the CPU device.
#include "anemone/model/cnn.h"

#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/cpu/testing/library_allocates.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

struct Case {
  Function (*network)(const CnnOptions&);
  DType dtype;
  double tolerance;
};

const Case kCases[] = {{resnet50, DType::kFp32, 2e-5},
                       {mobilenet_v2, DType::kFp32, 2e-5},
                       {resnet50, DType::kFp16, 2e-2},
                       {mobilenet_v2, DType::kFp16, 2e-2}};

TEST(Cnn, GivesWhatTheReferenceKernelsGiveWithAnyNumberOfThreads) {
  for (const Case& c : kCases) {
    const Function f =
        c.network({.dtype = c.dtype, .batch = 2, .image_size = 40, .narrower = 8, .seed = 3});
    SCOPED_TRACE(f.name + " in " + std::string(name(c.dtype)));
    const NamedTensors inputs = name_inputs(f, {fp32({2, 3, 40, 40}, 1).cast(c.dtype)});
    const NamedTensors alone = run_on_cpu(f, inputs);
    expect_same(alone, evaluate(f, inputs), c.tolerance);
    for (int threads : {2, 3}) expect_same(run_on_cpu(f, inputs, threads), alone, 0);
  }
}

TEST(Cnn, RunsWithoutAskingForMemory) {
  if (library_allocates()) GTEST_SKIP() << "the GEMM library of this system asks for memory";
  for (const Case& c : kCases) {
    const Function f = c.network({.dtype = c.dtype, .image_size = 64, .narrower = 8});
    for (int threads : {1, 2}) {
      ThreadPool pool(threads);
      Bound bound(*make_cpu_device(pool), f);
      bound.run();
      const size_t before = allocations();
      bound.run();
      EXPECT_EQ(allocations() - before, 0u) << f.name;
    }
  }
}

}  // namespace
}  // namespace anemone
