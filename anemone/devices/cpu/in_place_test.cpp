// Outputs that update an input in its own buffer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::HasSubstr;

NamedTensors read_all(const std::map<std::string, Buffer*>& buffers) {
  NamedTensors result;
  for (const auto& [name, buffer] : buffers) {
    Tensor tensor(DType::kFp32, buffer->type().shape);
    buffer->read(tensor);
    result.emplace(name, std::move(tensor));
  }
  return result;
}

const CompileOptions kUpdate = {.in_place = {{"in0", "out0"}}};

TEST(InPlace, AnAccumulatedProductUpdatesItsInput) {
  const Inputs inputs = {fp32({3, 4, 1, 1}, 1), fp32({3, 5}, 2), fp32({5, 4}, 3)};
  const Function f = make_function(inputs, [](Builder& b, const auto& v) {
    const Value product = b.reshape(b.matmul(v[1], v[2]), {3, 4, 1, 1});
    return std::vector{b.add(v[0], product)};
  });
  ThreadPool pool(2);
  Bound bound(*make_cpu_device(pool), f, kUpdate);
  const NamedTensors named = name_inputs(f, inputs);
  expect_same(bound.run(named), evaluate(f, named));
}

// A sum that counts as zeros, updated by a product that can overwrite it and by another operation
// that cannot; the memory holds something else.
TEST(InPlace, AClearedSumCountsAsZerosForEveryKindOfUpdate) {
  const Inputs inputs = {fp32({48, 40}, 1), fp32({48, 50}, 2), fp32({50, 40}, 3)};
  for (const bool product : {true, false}) {
    const Function f = make_function(inputs, [&](Builder& b, const auto& v) {
      const Value other = product ? b.matmul(v[1], v[2]) : b.mul(v[0], 0.0);
      return std::vector{b.add(v[0], product ? other : b.add(other, 1.0))};
    });
    ThreadPool pool(2);
    const auto device = make_cpu_device(pool);
    const auto executable = device->compile(f, product ? kUpdate : CompileOptions{});
    std::vector<std::unique_ptr<Buffer>> buffers;
    std::vector<Binding> in, out;
    for (const auto& [name, type] : executable->inputs()) {
      buffers.push_back(device->allocate(type));
      in.push_back({name, buffers.back().get()});
    }
    NamedTensors named = name_inputs(f, inputs);
    for (size_t i = 0; i < in.size(); ++i) buffers[i]->write(named.at(std::string(in[i].name)));
    const auto result = device->allocate(executable->outputs()[0].second);
    out.push_back({"out0", product ? buffers[0].get() : result.get()});
    const auto request = executable->bind(in, out);
    buffers[0]->clear();
    request->run();
    named["in0"] = Tensor(DType::kFp32, {48, 40});
    NamedTensors expected = evaluate(f, named);
    expect_same(read_all({{"out0", out[0].buffer}}), expected);
    // The mark is gone: the next run adds.
    if (!product) continue;
    request->run();
    for (float& value : expected.at("out0").as<float>()) value *= 2;
    expect_same(read_all({{"out0", out[0].buffer}}), expected);
  }
}

TEST(InPlace, AClearedBufferReadsAsZeros) {
  ThreadPool pool(1);
  const auto buffer = make_cpu_device(pool)->allocate(Type::tensor(DType::kFp32, {3}));
  const Tensor ones = Tensor::of<float>({3}, {1, 1, 1});
  Tensor seen(DType::kFp32, {3});
  buffer->write(ones);
  buffer->clear();
  buffer->read(seen);
  EXPECT_EQ(seen.at(2), 0);
  EXPECT_EQ(static_cast<float*>(buffer->map().data)[0], 0);
  buffer->clear();
  buffer->write(ones);
  buffer->read(seen);
  EXPECT_EQ(seen.at(2), 1);
}

TEST(InPlace, ElementwiseAndScatterUpdateTheirInput) {
  const Inputs inputs = {fp32({4, 3}, 1), int32({2}, {1, 1}), fp32({2, 3}, 2)};
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  for (bool scatter : {false, true}) {
    const Function f = make_function(inputs, [&](Builder& b, const auto& v) {
      if (!scatter) return std::vector{b.mul(v[0], 2.0)};
      return b.ops("scatter", {{"data", v[0]},
                               {"indices", v[1]},
                               {"updates", v[2]},
                               {"axis", b.integer(0)},
                               {"mode", b.text("add")}});
    });
    const NamedTensors named = name_inputs(f, inputs);
    expect_same(Bound(*device, f, kUpdate).run(named), evaluate(f, named));
  }
}

std::string refused_pair(const Build& build, const CompileOptions& options = kUpdate) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  const Function f = make_function({fp32({4, 4}, 1)}, build);
  return error_of([&] { device->compile(f, options); });
}

TEST(InPlace, IsRefusedWhereALaterOperationReadsTheInput) {
  EXPECT_THAT(refused_pair([](Builder& b, const auto& v) {
                const Value y = b.unary("exp", v[0]);
                return std::vector{y, b.add(y, v[0])};
              }),
              HasSubstr("output 'out0': it cannot be written over input 'in0'"));
  EXPECT_THAT(refused_pair([](Builder& b, const auto& v) {  // through a view
                const Value view = b.reshape(v[0], {16});
                return std::vector{b.unary("exp", v[0]), b.unary("tanh", view)};
              }),
              HasSubstr("the last to read that input"));
}

TEST(InPlace, IsRefusedWhereTheOperationNeedsItsOperandWhole) {
  EXPECT_THAT(
      refused_pair([](Builder& b, const auto& v) { return std::vector{b.matmul(v[0], v[0])}; }),
      HasSubstr("cannot be written over"));
  EXPECT_THAT(refused_pair([](Builder& b, const auto& v) {  // also a factor, not only the sum
                return b.ops("anemone.matmul_add", {{"sum", v[0]},
                                                    {"x", v[0]},
                                                    {"y", v[0]},
                                                    {"transpose_x", b.boolean(false)},
                                                    {"transpose_y", b.boolean(false)}});
              }),
              HasSubstr("cannot be written over"));
}

TEST(InPlace, IsRefusedForUnknownNames) {
  const auto exp = [](Builder& b, const auto& v) { return std::vector{b.unary("exp", v[0])}; };
  EXPECT_THAT(refused_pair(exp, {.in_place = {{"in0", "nothing"}}}),
              HasSubstr("there is no such in-place pair"));
  EXPECT_THAT(refused_pair(exp, {.in_place = {{"out0", "in0"}}}),
              HasSubstr("there is no such in-place pair"));
}

}  // namespace
}  // namespace anemone
