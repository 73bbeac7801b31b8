// cond, while_loop and states on the CPU device give what the interpreter gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/ops/verify.h"
#include "anemone/passes/close_blocks.h"
#include "anemone/passes/states_to_ports.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::ElementsAre;
using testing::IsEmpty;

// Doubles x until its first element reaches 100, by 3 where p holds; outer values and constants are
// read in both blocks.
std::string loop(const std::string& dtype) {
  std::string text = R"(func main<ios17>(tensor<D, [2]> x, bool p) {
    D limit = const()[val = D(100)];
    tensor<D, [2]> step = cond(pred = p) {
      tensor<D, [2]> a = const()[val = tensor<D, [2]>([3, 3])];
    } -> (a) {
      tensor<D, [2]> b = add(x = x, y = x);
      tensor<D, [2]> c = real_div(x = b, y = x);
    } -> (c);
    tensor<D, [2]> y, tensor<D, [2]> n = while_loop(loop_vars = (x, x))
      (tensor<D, [2]> v, tensor<D, [2]> u) {
        tensor<D, [1]> first = slice_by_size(x = v, begin = tensor<int32, [1]>([0]), size = tensor<int32, [1]>([1]));
        D number = squeeze(x = first);
        bool less = less(x = number, y = limit);
      } -> (less) (tensor<D, [2]> v, tensor<D, [2]> u) {
        tensor<D, [2]> next = mul(x = v, y = step);
      } -> (next, v);
  } -> (y, n);)";
  for (size_t at = 0; (at = text.find('D', at)) != std::string::npos;) text.replace(at, 1, dtype);
  return text;
}

TEST(ControlKernels, GiveWhatTheInterpreterGives) {
  for (const char* dtype : {"fp32", "fp16"}) {
    const Program program = parse_mil(loop(dtype));
    const Function& f = program.functions[0];
    ASSERT_THAT(verify(f), IsEmpty());
    for (const bool p : {true, false}) {
      NamedTensors inputs;
      inputs["x"] = Tensor::of<float>({2}, {1, 5}).cast(f.inputs[0]->type.dtype);
      inputs["p"] = Tensor::of<bool>({}, {p});
      const NamedTensors out = run_on_cpu(f, inputs);
      EXPECT_THAT(values(out.at("y")), p ? ElementsAre(243, 1215) : ElementsAre(128, 640)) << dtype;
      EXPECT_THAT(values(out.at("n")), p ? ElementsAre(81, 405) : ElementsAre(64, 320)) << dtype;
      expect_same(out, evaluate(f, inputs), 0);
    }
  }
}

// fp16 around and between blocks is computed in fp32 and rounded; results of blocks go to other
// blocks, to operations and out as they are.
TEST(ControlKernels, HalvesAroundBlocksAreRoundedAsTheInterpreterRoundsThem) {
  const Program program = parse_mil(R"(func main<ios17>(tensor<fp16, [3]> x, bool p) {
    tensor<fp16, [3]> t = mul(x = x, y = x);
    tensor<fp16, [3]> a = cond(pred = p) {} -> (t) { tensor<fp16, [3]> e = exp(x = t); } -> (e);
    tensor<fp16, [3]> b = cond(pred = p) { tensor<fp16, [3]> r = relu(x = a); } -> (r) {} -> (x);
    tensor<fp16, [3]> c = add(x = a, y = b);
    tensor<fp16, [3]> d = sub(x = c, y = t);
  } -> (a, b, d);)");
  const Function& f = program.functions[0];
  ASSERT_THAT(verify(f), IsEmpty());
  for (const bool p : {true, false}) {
    NamedTensors inputs;
    inputs["x"] = Tensor::of<float>({3}, {1.3f, -0.7f, 0.333f}).cast(DType::kFp16);
    inputs["p"] = Tensor::of<bool>({}, {p});
    expect_same(run_on_cpu(f, inputs), evaluate(f, inputs), 0);
  }
}

TEST(ControlKernels, ClosedBlocksStillVerifyAndMeanTheSame) {
  Program program = parse_mil(loop("fp32"));
  Function& f = program.functions[0];
  close_blocks(f);
  EXPECT_THAT(verify(f), IsEmpty());
  const Operation& cond = *f.operations[1];
  ASSERT_TRUE(cond.find("captured"));
  EXPECT_EQ(cond.find("captured")->operands.size(), 1u);  // x; the limit is copied where it is read
}

TEST(States, BecomeAnInputAndAnOutput) {
  Program program = parse_mil(
      R"(func main<ios18>(tensor<fp32, [2]> x, state<tensor<fp32, [2]>> s, state<tensor<fp32, [2]>> r) {
      tensor<fp32, [2]> old = read_state(input = s);
      tensor<fp32, [2]> new = add(x = old, y = x);
      write_state(input = s, data = new);
      tensor<fp32, [2]> now = read_state(input = s);
      tensor<fp32, [2]> fixed = read_state(input = r);
      tensor<fp32, [2]> y = mul(x = now, y = fixed);
    } -> (y);)");
  Function& f = program.functions[0];
  const std::vector<StatePorts> states = states_to_ports(f);
  ASSERT_THAT(verify(f), IsEmpty());
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].output, "s_out");
  EXPECT_EQ(states[1].output, "");  // nothing writes it
  NamedTensors inputs;
  inputs["x"] = Tensor::of<float>({2}, {1, 2});
  inputs["s"] = Tensor::of<float>({2}, {10, 20});
  inputs["r"] = Tensor::of<float>({2}, {2, 3});
  const NamedTensors out = run_on_cpu(f, inputs);
  EXPECT_THAT(values(out.at("s_out")), ElementsAre(11, 22));
  EXPECT_THAT(values(out.at("y")), ElementsAre(22, 66));
}

}  // namespace
}  // namespace anemone
