// Convolutions and their transposes of any shape, but for those that are plain products of matrices
// (linear_kernels.cpp).
#include <algorithm>
#include <memory>

#include "anemone/devices/cpu/epilogue.h"
#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/window_shape.h"
#include "anemone/kernels/conv.h"
#include "anemone/kernels/conv_transpose.h"
#include "anemone/kernels/depthwise.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

// The packed weights of an algorithm: made once where they are constant, else in every run.
class PackedWeights {
 public:
  template <typename Algorithm>
  PackedWeights(const OpArgs& args, const Algorithm& algorithm, size_t floats, size_t pieces)
      : floats_((floats + 15) / 16 * 16), pieces_(pieces) {
    const Literal* literal = Operation::constant(args.operand("weight"));
    if (!literal || !literal->tensor) return;
    kept_ = AlignedBytes(floats_ * sizeof(float));
    algorithm.pack_weights(literal->tensor->view().as<float>().data(), kept(), 0, pieces);
  }

  size_t scratch_floats() const { return kept() ? 0 : floats_; }

  template <typename Algorithm>
  const float* get(const KernelRun& run, const Algorithm& algorithm) const {
    if (kept()) return kept();
    const size_t each = floats_ / pieces_, grain = 8192 / (each + 1) + 1;
    run.pool.parallel_for(pieces_, grain, [&](size_t begin, size_t end, int) {
      algorithm.pack_weights(run.input(1), run.scratch_floats(), begin, end);
    });
    return run.scratch_floats();
  }

 private:
  float* kept() const { return reinterpret_cast<float*>(kept_.data()); }

  AlignedBytes kept_;
  size_t floats_, pieces_;
};

// A convolution by packed weights.
template <typename Algorithm>
class PackedConv final : public Kernel {
 public:
  PackedConv(const OpArgs& args, Algorithm algorithm, size_t pieces)
      : algorithm_(std::move(algorithm)),
        weights_(args, algorithm_, algorithm_.weight_floats(), pieces),
        epilogue_(args) {}

  void run(const KernelRun& run) const override {
    const float* weights = weights_.get(run, algorithm_);
    algorithm_.run(run.pool, run.input(0), weights, run.output(), epilogue_.finish(run),
                   run.scratch_floats() + weights_.scratch_floats());
  }
  size_t scratch_bytes(int threads) const override {
    return (weights_.scratch_floats() + algorithm_.scratch_floats(threads)) * sizeof(float);
  }

 private:
  Algorithm algorithm_;
  PackedWeights weights_;
  EpilogueReader epilogue_;
};

class Depthwise final : public Kernel {
 public:
  Depthwise(const OpArgs& args, const ConvShape& shape) : conv_(shape), epilogue_(args) {}

  void run(const KernelRun& run) const override {
    conv_.run(run.pool, run.input(0), run.input(1), run.output(), epilogue_.finish(run),
              run.scratch_floats());
  }
  size_t scratch_bytes(int threads) const override {
    return conv_.scratch_floats(threads) * sizeof(float);
  }

 private:
  DepthwiseConv conv_;
  EpilogueReader epilogue_;
};

}  // namespace

bool is_window_conv(const OpArgs& args) {
  if (!all_fp32(args)) return false;
  const ConvShape s = window_of_conv(args);
  return s.batch * s.large_channels * s.small_channels * s.taps() * volume(s.large) > 0;
}

bool takes_addend(const OpArgs& args) {
  if (is_conv_transpose(args.op()) || !is_window_conv(args)) return false;
  const ConvShape shape = window_of_conv(args);
  return !DepthwiseConv::takes(shape) && !Conv(shape).merges_images();
}

std::unique_ptr<Kernel> window_conv(const OpArgs& args) {
  if (!is_window_conv(args)) return nullptr;
  const ConvShape shape = window_of_conv(args);
  if (DepthwiseConv::takes(shape)) return std::make_unique<Depthwise>(args, shape);
  Conv conv(shape);
  const size_t pieces = conv.weight_panels();
  return std::make_unique<PackedConv<Conv>>(args, std::move(conv), pieces);
}

std::unique_ptr<Kernel> window_conv_transpose(const OpArgs& args) {
  if (!is_window_conv(args)) return nullptr;
  ConvTranspose conv(window_of_conv(args));
  const size_t pieces = conv.weight_blocks();
  return std::make_unique<PackedConv<ConvTranspose>>(args, std::move(conv), pieces);
}

}  // namespace anemone
