#include "anemone/passes/ports_to_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const StatePorts kTotal = {"total", "total_out"};

// total_out = total + x, y = total_out * total.
Function counter(DType dtype) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", dtype, {2}), total = b.input("total", dtype, {2});
  const Value next = b.add(total, x);
  b.output("y", b.mul(next, total));
  b.output("total_out", next);
  return f;
}

Tensor halves(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values).cast(DType::kFp16);
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor wide = tensor.cast(DType::kFp32);
  return {wide.as<float>().begin(), wide.as<float>().end()};
}

TEST(PortsToStates, AStateIsReadAtTheStartAndWrittenAtTheEnd) {
  Function f = counter(DType::kFp16);
  ports_to_states(f, std::span(&kTotal, 1));
  EXPECT_THAT(verify(f), IsEmpty());
  ASSERT_EQ(f.outputs.size(), 1u);
  NamedTensors inputs, states;
  inputs["x"] = halves({1, 2});
  EXPECT_THAT(floats(evaluate(f, inputs, &states).at("y")), ElementsAre(0, 0));
  EXPECT_THAT(floats(states.at("total")), ElementsAre(1, 2));
  EXPECT_THAT(floats(evaluate(f, inputs, &states).at("y")), ElementsAre(2, 8));
  EXPECT_THAT(floats(states.at("total")), ElementsAre(2, 4));
}

TEST(PortsToStates, AnOutputWithoutItsInputIsAStateThatIsOnlyWritten) {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp16, {2});
  b.output("y", b.mul(x, 2));
  b.output("total_out", b.add(x, 1));
  ports_to_states(f, std::span(&kTotal, 1));
  EXPECT_THAT(verify(f), IsEmpty());
  NamedTensors inputs, states;
  inputs["x"] = halves({3, 4});
  EXPECT_THAT(floats(evaluate(f, inputs, &states).at("y")), ElementsAre(6, 8));
  EXPECT_THAT(floats(states.at("total")), ElementsAre(4, 5));
}

TEST(PortsToStates, StatesToPortsIsTheWayBack) {
  Function f = counter(DType::kFp16);
  ports_to_states(f, std::span(&kTotal, 1));
  const std::vector<StatePorts> states = states_to_ports(f);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].input, "total");
  NamedTensors inputs;
  inputs["x"] = halves({1, 2});
  inputs["total"] = halves({10, 20});
  const NamedTensors out = evaluate(f, inputs);
  EXPECT_THAT(floats(out.at(states[0].output)), ElementsAre(11, 22));
  EXPECT_THAT(floats(out.at("y")), ElementsAre(110, 440));
}

TEST(PortsToStates, OtherTypesThanHalvesAreRefused) {
  Function f = counter(DType::kFp32);
  EXPECT_THAT(error_of([&] { ports_to_states(f, std::span(&kTotal, 1)); }),
              HasSubstr("its states are fp16"));
}

}  // namespace
}  // namespace anemone
