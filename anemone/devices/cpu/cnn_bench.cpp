// Convolutions of ResNet-50 and MobileNetV2 as the CPU device runs them, in fp32 and fp16, and
// oneDNN's own primitive for the same shape with as many threads: batch 1, constant weights, a bias
// and a relu where the networks have them.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/model/cnn.h"
#include "anemone/ops/builder.h"
#if defined(ANEMONE_GEMM_ONEDNN)
#include <dnnl.hpp>
extern "C" void omp_set_num_threads(int threads);
#endif

namespace anemone {
namespace {

struct Layer {
  const char* name;
  int64_t channels, outputs, size, kernel, stride, groups;

  int64_t pad() const { return kernel / 2; }
  int64_t out() const { return (size + 2 * pad() - kernel) / stride + 1; }
  double flops() const {
    return 2.0 * static_cast<double>(out() * out() * outputs * channels / groups * kernel * kernel);
  }
};

const Layer kLayers[] = {
    {"resnet/conv1", 3, 64, 224, 7, 2, 1},
    {"resnet/56_reduce", 256, 64, 56, 1, 1, 1},
    {"resnet/56_3x3", 64, 64, 56, 3, 1, 1},
    {"resnet/56_expand", 64, 256, 56, 1, 1, 1},
    {"resnet/28_3x3_s2", 128, 128, 56, 3, 2, 1},
    {"resnet/28_shortcut", 256, 512, 56, 1, 2, 1},
    {"resnet/28_reduce", 512, 128, 28, 1, 1, 1},
    {"resnet/28_3x3", 128, 128, 28, 3, 1, 1},
    {"resnet/28_expand", 128, 512, 28, 1, 1, 1},
    {"resnet/14_3x3_s2", 256, 256, 28, 3, 2, 1},
    {"resnet/14_shortcut", 512, 1024, 28, 1, 2, 1},
    {"resnet/14_reduce", 1024, 256, 14, 1, 1, 1},
    {"resnet/14_3x3", 256, 256, 14, 3, 1, 1},
    {"resnet/14_expand", 256, 1024, 14, 1, 1, 1},
    {"resnet/7_3x3_s2", 512, 512, 14, 3, 2, 1},
    {"resnet/7_shortcut", 1024, 2048, 14, 1, 2, 1},
    {"resnet/7_reduce", 2048, 512, 7, 1, 1, 1},
    {"resnet/7_3x3", 512, 512, 7, 3, 1, 1},
    {"resnet/7_expand", 512, 2048, 7, 1, 1, 1},
    {"mobilenet/conv1", 3, 32, 224, 3, 2, 1},
    {"mobilenet/112_depthwise", 32, 32, 112, 3, 1, 32},
    {"mobilenet/112_project", 32, 16, 112, 1, 1, 1},
    {"mobilenet/112_expand", 16, 96, 112, 1, 1, 1},
    {"mobilenet/56_depthwise_s2", 96, 96, 112, 3, 2, 96},
    {"mobilenet/56_project", 96, 24, 56, 1, 1, 1},
    {"mobilenet/56_expand", 24, 144, 56, 1, 1, 1},
    {"mobilenet/56_depthwise", 144, 144, 56, 3, 1, 144},
    {"mobilenet/28_expand", 32, 192, 28, 1, 1, 1},
    {"mobilenet/28_depthwise", 192, 192, 28, 3, 1, 192},
    {"mobilenet/14_expand", 64, 384, 14, 1, 1, 1},
    {"mobilenet/14_depthwise", 384, 384, 14, 3, 1, 384},
    {"mobilenet/14_project", 384, 96, 14, 1, 1, 1},
    {"mobilenet/7_expand", 160, 960, 7, 1, 1, 1},
    {"mobilenet/7_depthwise", 960, 960, 7, 3, 1, 960},
    {"mobilenet/7_project", 960, 320, 7, 1, 1, 1},
    {"mobilenet/last", 320, 1280, 7, 1, 1, 1},
};

Tensor filled(DType dtype, const Shape& shape) {
  Tensor tensor(dtype, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.view().set(i, static_cast<double>(i % 19) * 0.01 - 0.09);
  }
  return tensor;
}

// A compiled function on buffers of its own.
class Bound {
 public:
  Bound(const Function& function, int threads)
      : pool_(threads), device_(make_cpu_device(pool_)), executable_(device_->compile(function)) {
    const auto inputs = bind(executable_->inputs()), outputs = bind(executable_->outputs());
    request_ = executable_->bind(inputs, outputs);
  }

  void measure(benchmark::State& state) {
    request_->run();
    for (auto _ : state) request_->run();
    state.counters["flops"] = benchmark::Counter(executable_->stats().flops,
                                                 benchmark::Counter::kIsIterationInvariantRate);
  }

 private:
  std::vector<Binding> bind(const std::vector<std::pair<std::string, Type>>& ports) {
    std::vector<Binding> bindings;
    for (const auto& [name, type] : ports) {
      buffers_.push_back(device_->allocate(type));
      buffers_.back()->write(filled(type.dtype, type.shape));
      bindings.push_back({name, buffers_.back().get()});
    }
    return bindings;
  }

  ThreadPool pool_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Executable> executable_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::unique_ptr<Request> request_;
};

void run(benchmark::State& state, const Function& function) {
  Bound(function, static_cast<int>(state.range(0))).measure(state);
}

void run_layer(benchmark::State& state, const Layer& layer, DType dtype) {
  Function function("bench", "ios18");
  Builder b(function);
  const Value x = b.input("x", dtype, {1, layer.channels, layer.size, layer.size});
  const Shape weight = {layer.outputs, layer.channels / layer.groups, layer.kernel, layer.kernel};
  const int64_t pad = layer.pad();
  const Value y = b.op("conv", {{"x", x},
                                {"weight", b.constant(filled(dtype, weight))},
                                {"bias", b.constant(filled(dtype, {layer.outputs}))},
                                {"strides", b.integers({layer.stride, layer.stride})},
                                {"pad_type", b.text("custom")},
                                {"pad", b.integers({pad, pad, pad, pad})},
                                {"groups", b.integer(layer.groups)}});
  b.output("y", b.unary("relu", y));
  run(state, function);
}

// Gradients of a layer with respect to its image or its weight, which is an input.
void run_gradient(benchmark::State& state, const Layer& layer, bool of_weight) {
  Function function("bench", "ios18");
  Builder b(function);
  const Value x = b.input("x", DType::kFp32, {1, layer.channels, layer.size, layer.size});
  const Value weight =
      b.input("w", DType::kFp32,
              {layer.outputs, layer.channels / layer.groups, layer.kernel, layer.kernel});
  const Value dy = b.input("dy", DType::kFp32, {1, layer.outputs, layer.out(), layer.out()});
  const int64_t pad = layer.pad();
  const Value y = b.op("conv", {{"x", x},
                                {"weight", weight},
                                {"strides", b.integers({layer.stride, layer.stride})},
                                {"pad_type", b.text("custom")},
                                {"pad", b.integers({pad, pad, pad, pad})},
                                {"groups", b.integer(layer.groups)}});
  b.output("d", reverse_sweep(b, {{y, dy}}, {of_weight ? weight : x})[0]);
  run(state, function);
}

#if defined(ANEMONE_GEMM_ONEDNN)
// The layouts that it likes best for all operands: no reordering is counted.
void run_onednn(benchmark::State& state, const Layer& layer) {
  using namespace dnnl;  // NOLINT: of this function only
  using Tag = memory::format_tag;
  omp_set_num_threads(static_cast<int>(state.range(0)));
  const engine cpu(engine::kind::cpu, 0);
  const memory::dim g = layer.groups, o = layer.outputs, c = layer.channels, k = layer.kernel;
  const auto any = [](const memory::dims& dims) {
    return memory::desc(dims, memory::data_type::f32, Tag::any);
  };
  const memory::dims weight =
      g > 1 ? memory::dims{g, o / g, c / g, k, k} : memory::dims{o, c, k, k};
  const memory::dim pad = layer.pad(), stride = layer.stride;
  post_ops after;
  after.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
  primitive_attr attributes;
  attributes.set_post_ops(after);
  const convolution_forward::desc description(
      prop_kind::forward_inference, algorithm::convolution_auto,
      any({1, c, layer.size, layer.size}), any(weight),
      memory::desc({o}, memory::data_type::f32, Tag::a), any({1, o, layer.out(), layer.out()}),
      {stride, stride}, {pad, pad}, {pad, pad});
  const convolution_forward::primitive_desc primitive(description, attributes, cpu);
  std::vector<memory> operands;
  for (const auto& each : {primitive.src_desc(), primitive.weights_desc(), primitive.bias_desc(),
                           primitive.dst_desc()}) {
    operands.emplace_back(each, cpu);
    float* numbers = static_cast<float*>(operands.back().get_data_handle());
    for (size_t i = 0; i < each.get_size() / sizeof(float); ++i) {
      numbers[i] = static_cast<float>(i % 19) * 0.01f - 0.09f;
    }
  }
  const std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, operands[0]},
                                                     {DNNL_ARG_WEIGHTS, operands[1]},
                                                     {DNNL_ARG_BIAS, operands[2]},
                                                     {DNNL_ARG_DST, operands[3]}};
  const convolution_forward convolution(primitive);
  stream queue(cpu);
  for (auto _ : state) {
    convolution.execute(queue, arguments);
    queue.wait();
  }
  state.SetLabel(primitive.impl_info_str());
  state.counters["flops"] =
      benchmark::Counter(layer.flops(), benchmark::Counter::kIsIterationInvariantRate);
}
#endif

template <Function (*network)(const CnnOptions&), DType dtype>
void BM_Network(benchmark::State& state) {
  // Made once for all repetitions.
  static std::map<std::pair<int64_t, int64_t>, Bound> made;
  const std::pair key(state.range(0), state.range(1));
  auto found = made.find(key);
  if (found == made.end()) {
    const Function function = network({.dtype = dtype, .batch = key.second});
    found = made.try_emplace(key, function, static_cast<int>(key.first)).first;
  }
  found->second.measure(state);
}

void networks(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads", "batch"})->Args({1, 1})->Args({2, 1})->UseRealTime();
  bench->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Network<resnet50, DType::kFp32>)->Name("ResNet50/fp32")->Apply(networks);
BENCHMARK(BM_Network<resnet50, DType::kFp16>)->Name("ResNet50/fp16")->Apply(networks);
BENCHMARK(BM_Network<mobilenet_v2, DType::kFp32>)->Name("MobileNetV2/fp32")->Apply(networks);
BENCHMARK(BM_Network<mobilenet_v2, DType::kFp16>)->Name("MobileNetV2/fp16")->Apply(networks);

const bool kRegistered = [] {
  for (const Layer& layer : kLayers) {
    const std::string name = std::string("Conv/") + layer.name;
    const auto add = [&](const char* kind, auto run_it) {
      benchmark::RegisterBenchmark((name + "/" + kind).c_str(), run_it)
          ->ArgName("threads")
          ->Arg(1)
          ->Arg(2)
          ->UseRealTime();
    };
    add("fp32", [&layer](benchmark::State& state) { run_layer(state, layer, DType::kFp32); });
    add("fp16", [&layer](benchmark::State& state) { run_layer(state, layer, DType::kFp16); });
    add("dx", [&layer](benchmark::State& state) { run_gradient(state, layer, false); });
    add("dw", [&layer](benchmark::State& state) { run_gradient(state, layer, true); });
#if defined(ANEMONE_GEMM_ONEDNN)
    add("onednn", [&layer](benchmark::State& state) { run_onednn(state, layer); });
#endif
  }
  return true;
}();

}  // namespace
}  // namespace anemone
