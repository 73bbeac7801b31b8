// quantize and dequantize with one scale for all elements.
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/quantization.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 16384;

template <typename From, typename To>
using Loop = void (*)(const From*, float, float, To*, size_t);

template <typename From, typename To>
std::unique_ptr<Kernel> split_loop(Loop<From, To> loop, const AffineSlice& all) {
  const auto count = static_cast<size_t>(all.count);
  const float scale = static_cast<float>(all.scale), zero = static_cast<float>(all.zero_point);
  return kernel_of([=](const KernelRun& run) {
    const auto* from = static_cast<const From*>(run.in[0].data);
    auto* to = static_cast<To*>(run.out[0].data);
    run.pool.parallel_for(count, kGrain, [&](size_t begin, size_t end, int) {
      loop(from + begin, scale, zero, to + begin, end - begin);
    });
  });
}

std::unique_ptr<Kernel> quantize(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const std::vector<AffineSlice> slices = affine_slices(args, args.shape("input"));
  if (slices.size() != 1) return nullptr;
  if (args.op().outputs[0]->type.dtype == DType::kInt8) {
    return split_loop<float, int8_t>(simd::quantize, slices[0]);
  }
  return split_loop<float, uint8_t>(simd::quantize, slices[0]);
}

std::unique_ptr<Kernel> dequantize(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const std::vector<AffineSlice> slices = affine_slices(args, args.shape("input"));
  if (slices.size() != 1) return nullptr;
  if (args.type("input").dtype == DType::kInt8) {
    return split_loop<int8_t, float>(simd::dequantize, slices[0]);
  }
  return split_loop<uint8_t, float>(simd::dequantize, slices[0]);
}

}  // namespace

KernelFamily quantization_kernels() { return {{"quantize", quantize}, {"dequantize", dequantize}}; }

}  // namespace anemone
