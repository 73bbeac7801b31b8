// Programs in fp16: computed by fp32 kernels, rounded where MIL rounds, ports as they are declared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/passes/widen_halves.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::ElementsAre;

Tensor halves(const std::vector<double>& numbers) {
  return Tensor::of<double>({static_cast<int64_t>(numbers.size())}, numbers).cast(DType::kFp16);
}

TEST(HalfPrograms, RoundEveryResultAndNotTheLastAlone) {
  const Function f = make_function({halves({0, 0, 0}), halves({0, 0, 0})},
                                   [](Builder& b, const std::vector<Value>& v) {
                                     return std::vector{b.sub(b.add(v[0], v[1]), v[0])};
                                   });
  const Inputs inputs = {halves({2048, 2048, 60000}), halves({1, 3, 10000})};
  const Tensor y = std::move(run_on_cpu(f, name_inputs(f, inputs)).at("out0"));
  EXPECT_EQ(y.dtype(), DType::kFp16);
  // 2049 is in the middle of 2048 and 2050, 2051 in that of 2050 and 2052: even ones win.
  EXPECT_THAT(values(y), ElementsAre(0, 4, INFINITY));
}

TEST(HalfPrograms, ReturnInputsAndConstantsOfBothTypes) {
  const Function f = make_function({halves({0.1, -0.0})}, [](Builder& b, const auto& v) {
    const Value wide = b.cast(v[0], DType::kFp32);
    return std::vector{b.add(wide, b.constant(Tensor::of<float>({2}, {0.1f, 0.1f}))),
                       b.add(v[0], b.constant(halves({0.1, 0.1}))), b.reshape(v[0], {2, 1})};
  });
  const NamedTensors inputs = name_inputs(f, {halves({0.1, -0.0})});
  expect_same(run_on_cpu(f, inputs), evaluate(f, inputs), 0);
}

TEST(HalfPrograms, MatmulIsRoundedOnceFromAWideSum) {
  // 1 + 2048 * 2^-12: summed in fp16 it would stay 1.
  std::vector<double> x(2049, 0x1p-6);
  x[0] = 1;
  std::vector<double> y(2049, 0x1p-6);
  y[0] = 1;
  Tensor a = halves(x), b = halves(y);
  a.reshape({1, 2049});
  b.reshape({2049, 1});
  const Function f = make_function({a, b}, [](Builder& builder, const auto& v) {
    return std::vector{builder.matmul(v[0], v[1])};
  });
  EXPECT_THAT(values(run_on_cpu(f, name_inputs(f, {a, b})).at("out0")), ElementsAre(1.5));
}

TEST(HalfPrograms, PortsKeepTheirTypeAndOnlyWhatComputesIsRounded) {
  Function f = make_function({halves({1, 2})}, [](Builder& b, const auto& v) {
    return std::vector{b.reshape(b.add(v[0], v[0]), {2, 1}), b.reshape(v[0], {1, 2})};
  });
  ASSERT_TRUE(has_halves(f));
  const auto rounded = widen_halves_between_ports(f);
  ASSERT_EQ(rounded.size(), 1u);
  EXPECT_EQ((*rounded.begin())->type, "add");
  EXPECT_EQ(f.inputs[0]->type, Type::tensor(DType::kFp16, {2}));
  EXPECT_EQ(f.outputs[0]->name, "out0");
  EXPECT_EQ(f.outputs[1]->type, Type::tensor(DType::kFp16, {1, 2}));
  EXPECT_FALSE(has_halves(f));
}

}  // namespace
}  // namespace anemone
