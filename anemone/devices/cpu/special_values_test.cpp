// NaN, infinities, signed zeros and ties in the kernels that the CPU device chooses.
#include "anemone/testing/special_values.h"

#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

TEST(SpecialValues, AreWhatTheTableSaysOnTheCpu) {
  for (const SpecialCase& special : special_cases()) {
    for (const DType dtype : {DType::kFp16, DType::kFp32}) {
      const Function function = function_of(special, dtype);
      const NamedTensors out = cpu_testing::run_on_cpu(function, inputs_of(special, dtype));
      EXPECT_EQ(difference(special, out.at("out")), "") << name(dtype);
    }
  }
}

}  // namespace
}  // namespace anemone
