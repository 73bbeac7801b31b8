// NaN, infinities, signed zeros and ties in the reference kernels, and that no operation is left
// out of the table.
#include "anemone/testing/special_values.h"

#include <gtest/gtest.h>

#include <set>

#include "anemone/ops/evaluate.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

TEST(SpecialValues, AreWhatTheTableSaysInEveryFloatType) {
  for (const SpecialCase& special : special_cases()) {
    for (const DType dtype : {DType::kFp16, DType::kFp32, DType::kFp64}) {
      const NamedTensors out = evaluate(function_of(special, dtype), inputs_of(special, dtype));
      EXPECT_EQ(difference(special, out.at("out")), "") << name(dtype);
    }
  }
}

TEST(SpecialValues, HaveARowForEveryOperationOfMil) {
  std::set<std::string> covered(without_special_cases().begin(), without_special_cases().end());
  for (const SpecialCase& special : special_cases()) {
    covered.insert(special.call.substr(0, special.call.find('(')));
  }
  for (const OpDef* def : all_ops()) {
    if (def->decompose) continue;  // composites are held to their decomposition
    EXPECT_EQ(covered.count(std::string(def->name)), 1u) << def->name;
  }
}

}  // namespace
}  // namespace anemone
