// Signed zeros, infinities and ties on a simulated Neural Engine: what the table says, except that
// the engine knows no NaN. One becomes +infinity on entry and +0 as a result (docs/ane.md).
#include "anemone/testing/special_values.h"

#include <gtest/gtest.h>

#include <cmath>

#include "anemone/devices/sim/testing/sim_testing.h"
#include "anemone/ops/evaluate.h"

namespace anemone {
namespace {

SpecialCase without_nan(SpecialCase special) {
  for (std::vector<double>* numbers : {&special.x, &special.y}) {
    for (double& number : *numbers) {
      if (std::isnan(number)) number = sim_testing::kInfinity;
    }
  }
  return special;
}

// What the reference kernels give for `special`, NaN replaced by +0.
std::vector<double> reference(const SpecialCase& special) {
  const DType dtype = DType::kFp16;
  const NamedTensors out = evaluate(function_of(special, dtype), inputs_of(special, dtype));
  std::vector<double> numbers = values(out.at("out"));
  for (double& number : numbers) {
    if (std::isnan(number)) number = 0;
  }
  return numbers;
}

TEST(SpecialValues, OnTheEngineAreThoseOfTheTableWithoutNan) {
  sim_testing::Sim sim;
  int computed = 0;
  for (const SpecialCase& special : special_cases()) {
    const Function function = function_of(special, DType::kFp16);
    NamedTensors out;
    try {
      out = cpu_testing::Bound(*sim, function).run(inputs_of(special, DType::kFp16));
    } catch (const Error&) {
      continue;  // a rule refuses it
    }
    ++computed;
    SpecialCase want = without_nan(special);
    want.want = reference(want);
    // The engine's softmax gives everything to an infinite lane.
    if (special.call.starts_with("softmax")) continue;
    EXPECT_EQ(difference(want, out.at("out")), "");
  }
  EXPECT_GE(computed, 20);
}

}  // namespace
}  // namespace anemone
