// Resized images: one of three channels, and the maps of a network that decodes or segments, in
// fp32 and fp16, and oneDNN's own primitive where it has the grid, in MIL's layout. Crops, and
// points that are read.
#include <string>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/devices/cpu/bench_support.h"
#if defined(ANEMONE_GEMM_ONEDNN)
#include <dnnl.hpp>
extern "C" void omp_set_num_threads(int threads);
#endif

namespace anemone {
namespace {

using namespace cpu_bench;  // NOLINT: helpers of this folder

struct ResizeCase {
  const char* name;
  int64_t channels, from, to;
};

const ResizeCase kCases[] = {
    {"64x56_to_112", 64, 56, 112},
    {"256x14_to_28", 256, 14, 28},
    {"3x224_to_600", 3, 224, 600},
    {"3x512_to_224", 3, 512, 224},
};

Value resized(Builder& b, const ResizeCase& c, Value x, bool bilinear) {
  std::vector<Argument> arguments = {
      {"x", x}, {"target_size_height", b.integer(c.to)}, {"target_size_width", b.integer(c.to)}};
  if (bilinear) arguments.emplace_back("sampling_mode", b.text("UNALIGN_CORNERS"));
  return b.op(bilinear ? "resize_bilinear" : "resize_nearest_neighbor", std::move(arguments));
}

void run_resize(benchmark::State& state, const ResizeCase& c, DType dtype, bool bilinear) {
  measure(state, [&](Builder& b) {
    return std::vector{
        resized(b, c, b.input("x", dtype, {1, c.channels, c.from, c.from}), bilinear)};
  });
}

void run_gradient(benchmark::State& state, const ResizeCase& c, bool bilinear) {
  measure(state, [&](Builder& b) {
    const Value x = b.input("x", DType::kFp32, {1, c.channels, c.from, c.from});
    const Value dy = b.input("dy", DType::kFp32, {1, c.channels, c.to, c.to});
    return std::vector{reverse_sweep(b, {{resized(b, c, x, bilinear), dy}}, {x})[0]};
  });
}

// 100 boxes of a map of a detector, 7x7 each.
void BM_CropResize(benchmark::State& state) {
  measure(state, [](Builder& b) {
    Tensor boxes(DType::kFp32, {100, 4});
    for (int64_t i = 0; i < boxes.size(); ++i) {
      boxes.view().set(i, i % 4 < 2 ? i % 19 : 20 + i % 23);
    }
    return b.ops("crop_resize", {{"x", b.input("x", DType::kFp32, {1, 64, 50, 50})},
                                 {"boxes", b.constant(std::move(boxes))},
                                 {"box_indices", b.constant(Tensor(DType::kInt32, {100}))},
                                 {"target_height", b.integer(7)},
                                 {"target_width", b.integer(7)},
                                 {"sampling_mode", b.text("OFFSET_CORNERS")}});
  });
}

void BM_Resample(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("resample", {{"x", b.input("x", DType::kFp32, {1, 16, 100, 100})},
                              {"coordinates", b.input("c", DType::kFp32, {1, 80, 80, 2})},
                              {"sampling_mode", b.text("bilinear")},
                              {"padding_mode", b.text("constant")},
                              {"padding_value", b.scalar(DType::kFp32, 0)},
                              {"coordinates_mode", b.text("normalized_minus_one_to_one")},
                              {"align_corners", b.boolean(false)}});
  });
}

BENCHMARK(BM_CropResize)->Name("Sample/crop_resize/fp32")->Apply(threads);
BENCHMARK(BM_Resample)->Name("Sample/resample/fp32")->Apply(threads);

#if defined(ANEMONE_GEMM_ONEDNN)
void run_onednn(benchmark::State& state, const ResizeCase& c, bool bilinear) {
  using namespace dnnl;  // NOLINT: of this function only
  omp_set_num_threads(static_cast<int>(state.range(0)));
  const engine cpu(engine::kind::cpu, 0);
  const auto image = [&](int64_t size) {
    return memory::desc({1, c.channels, size, size}, memory::data_type::f32,
                        memory::format_tag::nchw);
  };
  const resampling_forward::desc description(
      prop_kind::forward_inference,
      bilinear ? algorithm::resampling_linear : algorithm::resampling_nearest, image(c.from),
      image(c.to));
  const resampling_forward::primitive_desc primitive(description, cpu);
  memory from(primitive.src_desc(), cpu), to(primitive.dst_desc(), cpu);
  float* numbers = static_cast<float*>(from.get_data_handle());
  for (int64_t i = 0; i < c.channels * c.from * c.from; ++i) {
    numbers[i] = static_cast<float>(i % 19) * 0.1f - 0.9f;
  }
  const resampling_forward resampling(primitive);
  stream queue(cpu);
  for (auto _ : state) {
    resampling.execute(queue, {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}});
    queue.wait();
  }
  state.SetLabel(primitive.impl_info_str());
}
#endif

const bool kRegistered = [] {
  for (const ResizeCase& c : kCases) {
    for (const bool bilinear : {false, true}) {
      const std::string name =
          std::string("Resize/") + (bilinear ? "bilinear/" : "nearest/") + c.name;
      const auto add = [&](const char* kind, auto run_it) {
        threads(benchmark::RegisterBenchmark((name + "/" + kind).c_str(), run_it));
      };
      add("fp32", [&c, bilinear](benchmark::State& state) {
        run_resize(state, c, DType::kFp32, bilinear);
      });
      add("fp16", [&c, bilinear](benchmark::State& state) {
        run_resize(state, c, DType::kFp16, bilinear);
      });
      add("dx", [&c, bilinear](benchmark::State& state) { run_gradient(state, c, bilinear); });
#if defined(ANEMONE_GEMM_ONEDNN)
      add("onednn", [&c, bilinear](benchmark::State& state) { run_onednn(state, c, bilinear); });
#endif
    }
  }
  return true;
}();

}  // namespace
}  // namespace anemone
