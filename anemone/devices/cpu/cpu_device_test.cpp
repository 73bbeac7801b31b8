#include "anemone/devices/cpu/cpu_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::HasSubstr;

// relu(in0 * in1 + 1) of [2, 3]
Function small_function() {
  return make_function({fp32({2, 3}, 1), fp32({2, 3}, 2)}, [](Builder& b, const auto& v) {
    return std::vector{b.unary("relu", b.add(b.mul(v[0], v[1]), 1.0))};
  });
}

TEST(CpuDevice, SaysWhatItIsAndWhatItSupports) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  EXPECT_EQ(device->info().name, "cpu");
  EXPECT_EQ(device->info().threads, 2);
  EXPECT_FALSE(device->info().simulated);
  Operation op;
  op.type = "softmax";
  EXPECT_TRUE(device->supports(op));
  op.type = "sotfmax";
  EXPECT_EQ(device->supports(op).reason, "unknown operation 'sotfmax'");
}

// Core ML's compiler sorts arguments by name.
TEST(CpuDevice, ArgumentsInAlphabeticalOrderGiveTheSame) {
  const Shape q = {1, 8, 1, 5};
  const Inputs inputs = {fp32(q, 1), fp32(q, 2), fp32(q, 3), fp32({3, 8, 1, 1}, 4)};
  Function f = make_function(inputs, [](Builder& b, const auto& v) {
    const Value mixed = b.op("anemone.causal_attention", {{"q", v[0]},
                                                          {"k", v[1]},
                                                          {"v", v[2]},
                                                          {"head_size", b.integer(4)},
                                                          {"sequence", b.integer(5)}});
    const Value gated = b.op("anemone.swiglu", {{"gate", mixed}, {"up", v[1]}});
    return std::vector{b.conv1x1(gated, v[3])};
  });
  const NamedTensors named = name_inputs(f, inputs);
  const NamedTensors expected = run_on_cpu(f, named);
  for (const auto& op : f.operations) {
    std::sort(op->arguments.begin(), op->arguments.end(),
              [](const Argument& a, const Argument& b) { return a.name < b.name; });
  }
  expect_same(run_on_cpu(f, named), expected, 0);
  expect_same(expected, evaluate(f, named));
}

TEST(CpuDevice, Fp16FunctionsRunOnTheReferenceKernels) {
  const auto half = [](const Shape& shape, uint64_t seed) {
    return random_tensor(shape, seed).cast(DType::kFp16);
  };
  const Inputs inputs = {half({1, 6, 1, 5}, 1), half({4, 6, 1, 1}, 2), half({6}, 3)};
  const Function f = make_function(inputs, [](Builder& b, const auto& v) {
    const Value normal = b.op("anemone.rms_norm", {{"x", v[0]}, {"weight", v[2]}});
    const Value y = b.unary("silu", b.conv1x1(normal, v[1]));
    return std::vector{b.softmax(b.reshape(b.mul(y, 2.0), {4, 5}), 0)};
  });
  const NamedTensors named = name_inputs(f, inputs);
  expect_same(run_on_cpu(f, named, 2), evaluate(f, named), 0);
}

TEST(CpuDevice, UnusedInputsAreBoundAllTheSame) {
  const Inputs inputs = {fp32({3}, 1), fp32({2}, 2)};
  const Function f = make_function(
      inputs, [](Builder& b, const auto& v) { return std::vector{b.unary("exp", v[0])}; });
  const NamedTensors named = name_inputs(f, inputs);
  expect_same(run_on_cpu(f, named), evaluate(f, named));
}

TEST(CpuDevice, AFunctionOfConstantsAloneGivesThem) {
  expect_cpu_equals_reference({}, [](Builder& b, const auto&) {
    const Value constant = b.constant(fp32({3}, 1));
    return std::vector{b.add(constant, 1.0), constant};
  });
}

TEST(CpuDevice, ConstantsAreFoldedAndCostNothing) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  const Function f = make_function({fp32({3}, 1)}, [](Builder& b, const auto& v) {
    return std::vector{b.add(v[0], b.unary("exp", b.constant(fp32({3}, 2))))};
  });
  const auto executable = device->compile(f);
  EXPECT_EQ(executable->stats().operations, 1);
  EXPECT_EQ(executable->stats().flops, 3);
  EXPECT_EQ(executable->stats().bytes, 3 * 3 * 4);
}

TEST(CpuDevice, OneExecutableServesSeveralRequests) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  const Function f = small_function();
  const auto executable = device->compile(f);
  const Type type = Type::tensor(DType::kFp32, {2, 3});
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::vector<std::unique_ptr<Request>> requests;
  for (int i = 0; i < 6; ++i) buffers.push_back(device->allocate(type));
  for (size_t i = 0; i < 6; i += 3) {
    buffers[i]->write(fp32({2, 3}, i));
    buffers[i + 1]->write(fp32({2, 3}, i + 1));
    const Binding inputs[] = {{"in1", buffers[i + 1].get()}, {"in0", buffers[i].get()}};
    const Binding outputs[] = {{"out0", buffers[i + 2].get()}};
    requests.push_back(executable->bind(inputs, outputs));
  }
  for (auto& request : requests) request->run();
  for (size_t i = 0; i < 6; i += 3) {
    const NamedTensors expected =
        evaluate(f, name_inputs(f, {fp32({2, 3}, i), fp32({2, 3}, i + 1)}));
    EXPECT_LT(compare(buffers[i + 2]->map(), expected.at("out0")).relative_norm, kFp32Tolerance);
  }
}

// --- errors ---

class BindingTest {
 public:
  BindingTest()
      : device_(make_cpu_device(pool_)), executable_(device_->compile(small_function())) {}

  Buffer* buffer(DType dtype, Shape shape) {
    buffers_.push_back(device_->allocate(Type::tensor(dtype, std::move(shape))));
    return buffers_.back().get();
  }
  Buffer* good() { return buffer(DType::kFp32, {2, 3}); }
  std::string refusal(std::vector<Binding> inputs, std::vector<Binding> outputs) {
    return error_of([&] { executable_->bind(inputs, outputs); });
  }

 private:
  ThreadPool pool_{1};
  std::unique_ptr<Device> device_;
  std::unique_ptr<Executable> executable_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

TEST(CpuBind, NamesAPortThatNothingIsBoundTo) {
  BindingTest b;
  EXPECT_THAT(b.refusal({{"in0", b.good()}}, {{"out0", b.good()}}),
              HasSubstr("input 'in1' of main: nothing is bound to it"));
  EXPECT_THAT(b.refusal({{"in0", b.good()}, {"in1", nullptr}}, {{"out0", b.good()}}),
              HasSubstr("input 'in1' of main: nothing is bound to it"));
  EXPECT_THAT(b.refusal({{"in0", b.good()}, {"in1", b.good()}}, {}),
              HasSubstr("output 'out0' of main: nothing is bound to it"));
}

TEST(CpuBind, NamesAPortWithABufferOfAnotherTypeOrSize) {
  BindingTest b;
  EXPECT_THAT(
      b.refusal({{"in0", b.good()}, {"in1", b.buffer(DType::kFp16, {2, 3})}}, {{"out0", b.good()}}),
      HasSubstr("input 'in1' of main: it takes tensor<fp32, [2, 3]>, the buffer holds "
                "tensor<fp16, [2, 3]>"));
  EXPECT_THAT(
      b.refusal({{"in0", b.good()}, {"in1", b.good()}}, {{"out0", b.buffer(DType::kFp32, {7})}}),
      HasSubstr("output 'out0' of main: it takes tensor<fp32, [2, 3]>, the buffer holds "
                "tensor<fp32, [7]>"));
}

TEST(CpuBind, RefusesToWriteOverAnInputUnlessCompiledForIt) {
  BindingTest b;
  Buffer* shared = b.good();
  EXPECT_THAT(b.refusal({{"in0", shared}, {"in1", b.good()}}, {{"out0", shared}}),
              HasSubstr("output 'out0' of main: its buffer is also that of input 'in0'"));
}

TEST(CpuCompile, RefusesWeightsThatAreNotLoaded) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp32, {2});
  Literal literal{Type::tensor(DType::kFp32, {2}), nullptr, {}, {}, BlobRef{"weights.bin", 64}};
  b.output("y", b.add(x, b.constant(std::move(literal), "w")));
  EXPECT_THAT(error_of([&] { device->compile(f); }),
              HasSubstr("the weights of 'w' are not loaded"));
}

TEST(CpuCompile, RefusesWhatIsNotValid) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  Function f = small_function();
  f.operations.back()->type = "relluu";
  EXPECT_THAT(error_of([&] { device->compile(f); }), HasSubstr("did you mean 'relu'?"));
}

TEST(CpuBuffer, TakesOnlyItsOwnSize) {
  BindingTest b;
  Buffer* buffer = b.good();
  EXPECT_THROW(buffer->write(fp32({7}, 1)), Error);
  const Tensor other(DType::kFp32, {5});
  EXPECT_THROW(buffer->read(other), Error);
}

TEST(CpuBuffer, ConvertsBetweenElementTypes) {
  BindingTest b;
  Buffer* buffer = b.good();
  const Tensor wide = random_tensor(buffer->type().shape, 1);
  buffer->write(wide);
  const Tensor half(DType::kFp16, buffer->type().shape);
  buffer->read(half);
  EXPECT_LT(compare(half, wide).max_absolute, 1e-3);
}

}  // namespace
}  // namespace anemone
