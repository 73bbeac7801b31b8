// Recurrent layers over sequences, with constant weights as packages hold them, and oneDNN's own
// primitive for the same sizes with as many threads.
#include <string>
#include <unordered_map>
#include <utility>

#include "anemone/devices/cpu/bench_support.h"
#if defined(ANEMONE_GEMM_ONEDNN)
#include <dnnl.hpp>
extern "C" void omp_set_num_threads(int threads);
#endif

namespace anemone {
namespace {

using namespace cpu_bench;  // NOLINT: helpers of this folder

struct SequenceCase {
  const char* name;
  int64_t steps, batch, inputs, hidden;
};

const SequenceCase kCases[] = {
    {"64x1x128_to_128", 64, 1, 128, 128},
    {"64x1x256_to_512", 64, 1, 256, 512},
    {"32x16x256_to_256", 32, 16, 256, 256},
};

struct Layer {
  const char* op;
  int64_t gates;
  const char* direction;
  bool reset_after = false;

  int64_t directions() const { return std::string(direction) == "bidirectional" ? 2 : 1; }
};

Value numbers(Builder& b, DType dtype, const Shape& shape) {
  Tensor tensor(dtype, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.view().set(i, static_cast<double>(i % 19) * 0.01 - 0.09);
  }
  return b.constant(std::move(tensor));
}

void run_layer(benchmark::State& state, const Layer& layer, const SequenceCase& c, DType dtype) {
  measure(state, [&](Builder& b) {
    const Shape states = {c.batch, layer.directions() * c.hidden};
    std::vector<Argument> arguments = {{"x", b.input("x", dtype, {c.steps, c.batch, c.inputs})},
                                       {"initial_h", b.input("h", dtype, states)}};
    if (layer.gates == 4) arguments.emplace_back("initial_c", b.input("c", dtype, states));
    const int64_t rows = layer.gates * c.hidden;
    for (const char* suffix : {"", "_back"}) {
      if (*suffix && layer.directions() == 1) continue;
      const std::string end = suffix;
      arguments.emplace_back("weight_ih" + end, numbers(b, dtype, {rows, c.inputs}));
      arguments.emplace_back("weight_hh" + end, numbers(b, dtype, {rows, c.hidden}));
      arguments.emplace_back("bias" + end, numbers(b, dtype, {rows}));
    }
    arguments.emplace_back("direction", b.text(layer.direction));
    arguments.emplace_back("output_sequence", b.boolean(true));
    if (layer.reset_after) arguments.emplace_back("reset_after", b.boolean(true));
    return b.ops(layer.op, std::move(arguments));
  });
}

#if defined(ANEMONE_GEMM_ONEDNN)
// The layouts that it likes best for the weights.
void run_onednn_lstm(benchmark::State& state, const SequenceCase& c, int64_t directions) {
  using namespace dnnl;  // NOLINT: of this function only
  using Tag = memory::format_tag;
  omp_set_num_threads(static_cast<int>(state.range(0)));
  const engine cpu(engine::kind::cpu, 0);
  const auto desc = [](const memory::dims& dims, Tag tag) {
    return memory::desc(dims, memory::data_type::f32, tag);
  };
  const memory::dim d = directions;
  const memory::desc states = desc({1, d, c.batch, c.hidden}, Tag::ldnc);
  const lstm_forward::desc description(
      prop_kind::forward_inference,
      d == 2 ? rnn_direction::bidirectional_concat : rnn_direction::unidirectional_left2right,
      desc({c.steps, c.batch, c.inputs}, Tag::tnc), states, states,
      desc({1, d, c.inputs, 4, c.hidden}, Tag::any), desc({1, d, c.hidden, 4, c.hidden}, Tag::any),
      desc({1, d, 4, c.hidden}, Tag::ldgo), desc({c.steps, c.batch, d * c.hidden}, Tag::tnc),
      states, states);
  const lstm_forward::primitive_desc primitive(description, cpu);
  std::unordered_map<int, memory> arguments;
  const auto add = [&](int argument, const memory::desc& each) {
    memory operand(each, cpu);
    float* data = static_cast<float*>(operand.get_data_handle());
    for (size_t i = 0; i < each.get_size() / sizeof(float); ++i) {
      data[i] = static_cast<float>(i % 19) * 0.01f - 0.09f;
    }
    arguments.emplace(argument, operand);
  };
  add(DNNL_ARG_SRC_LAYER, primitive.src_layer_desc());
  add(DNNL_ARG_SRC_ITER, primitive.src_iter_desc());
  add(DNNL_ARG_SRC_ITER_C, primitive.src_iter_c_desc());
  add(DNNL_ARG_WEIGHTS_LAYER, primitive.weights_layer_desc());
  add(DNNL_ARG_WEIGHTS_ITER, primitive.weights_iter_desc());
  add(DNNL_ARG_BIAS, primitive.bias_desc());
  add(DNNL_ARG_DST_LAYER, primitive.dst_layer_desc());
  add(DNNL_ARG_DST_ITER, primitive.dst_iter_desc());
  add(DNNL_ARG_DST_ITER_C, primitive.dst_iter_c_desc());
  const lstm_forward lstm(primitive);
  stream queue(cpu);
  for (auto _ : state) {
    lstm.execute(queue, arguments);
    queue.wait();
  }
  state.SetLabel(primitive.impl_info_str());
}
#endif

const bool kRegistered = [] {
  static const std::pair<const char*, Layer> kLayers[] = {
      {"rnn", {"rnn", 1, "forward"}},
      {"gru", {"gru", 3, "forward"}},
      {"gru_reset_after", {"gru", 3, "forward", true}},
      {"lstm", {"lstm", 4, "forward"}},
      {"lstm_both_ways", {"lstm", 4, "bidirectional"}},
  };
  for (const SequenceCase& c : kCases) {
    const auto add = [&](const std::string& name, auto run_it) {
      threads(benchmark::RegisterBenchmark(("Recurrent/" + name + "/" + c.name).c_str(), run_it));
    };
    for (const auto& named : kLayers) {
      const Layer& layer = named.second;
      add(named.first, [&](benchmark::State& state) { run_layer(state, layer, c, DType::kFp32); });
    }
    const Layer& lstm = kLayers[3].second;
    add("lstm_fp16", [&](benchmark::State& state) { run_layer(state, lstm, c, DType::kFp16); });
#if defined(ANEMONE_GEMM_ONEDNN)
    add("lstm_onednn", [&](benchmark::State& state) { run_onednn_lstm(state, c, 1); });
    add("lstm_both_ways_onednn", [&](benchmark::State& state) { run_onednn_lstm(state, c, 2); });
#endif
  }
  return true;
}();

}  // namespace
}  // namespace anemone
