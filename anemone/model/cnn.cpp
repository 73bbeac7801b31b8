#include "anemone/model/cnn.h"

#include <algorithm>
#include <cmath>

#include "anemone/base/random.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

constexpr int64_t kClasses = 1000;

struct Window {
  int64_t kernel, stride = 1, groups = 1;
};

class Network {
 public:
  Network(const char* name, const CnnOptions& options)
      : options_(options), function_(name, "ios17"), b_(function_), random_(options.seed) {}

  Value image() {
    return b_.input("image", options_.dtype,
                    {options_.batch, 3, options_.image_size, options_.image_size});
  }

  // Channels of a layer.
  int64_t width(int64_t channels) const {
    return std::max<int64_t>(channels / options_.narrower, 1);
  }

  // Convolution and batch norm.
  Value conv(Value x, int64_t outputs, const Window& w) {
    const int64_t inputs = x->type.shape[1] / w.groups, pad = w.kernel / 2;
    const double deviation = std::sqrt(2.0 / static_cast<double>(inputs * w.kernel * w.kernel));
    const Value y =
        b_.op("conv", {{"x", x},
                       {"weight", weight({outputs, inputs, w.kernel, w.kernel}, deviation)},
                       {"strides", b_.integers({w.stride, w.stride})},
                       {"pad_type", b_.text("custom")},
                       {"pad", b_.integers({pad, pad, pad, pad})},
                       {"dilations", b_.integers({1, 1})},
                       {"groups", b_.integer(w.groups)}});
    return b_.op("batch_norm", {{"x", y},
                                {"mean", around(outputs, 0, 0.1)},
                                {"variance", around(outputs, 1, 0.1)},
                                {"gamma", around(outputs, 1, 0.1)},
                                {"beta", around(outputs, 0, 0.1)},
                                {"epsilon", b_.scalar(options_.dtype, 1e-3)}});
  }

  Value unary(const char* op, Value x) { return b_.unary(op, x); }
  Value add(Value x, Value y) { return b_.add(x, y); }

  Value max_pool(Value x) {
    return b_.op("max_pool", {{"x", x},
                              {"kernel_sizes", b_.integers({3, 3})},
                              {"strides", b_.integers({2, 2})},
                              {"pad_type", b_.text("custom")},
                              {"pad", b_.integers({1, 1, 1, 1})}});
  }

  // Means of planes, then a linear layer.
  Function classify(Value x) {
    const int64_t channels = x->type.shape[1];
    const Value means = b_.reduce("reduce_mean", x, {2, 3}, false);
    const double deviation = std::sqrt(1.0 / static_cast<double>(channels));
    b_.output("logits", b_.op("linear", {{"x", means},
                                         {"weight", weight({kClasses, channels}, deviation)},
                                         {"bias", around(kClasses, 0, 0.1)}}));
    return std::move(function_);
  }

 private:
  Value weight(const Shape& shape, double deviation) {
    Tensor tensor(DType::kFp32, shape);
    // Uniform numbers of that deviation: normal ones take longer to make.
    const double reach = deviation * std::sqrt(3.0);
    for (float& number : tensor.view().as<float>()) {
      number = static_cast<float>((2 * random_.uniform() - 1) * reach);
    }
    return constant(std::move(tensor));
  }

  Value around(int64_t count, double middle, double deviation) {
    Tensor tensor(DType::kFp32, {count});
    for (float& number : tensor.view().as<float>()) {
      number = static_cast<float>(middle + deviation * (2 * random_.uniform() - 1));
    }
    return constant(std::move(tensor));
  }

  Value constant(Tensor tensor) {
    return b_.constant(options_.dtype == DType::kFp32 ? std::move(tensor)
                                                      : tensor.cast(options_.dtype));
  }

  CnnOptions options_;
  Function function_;
  Builder b_;
  Random random_;
};

Value bottleneck(Network& net, Value x, int64_t inner, int64_t stride) {
  const int64_t outputs = 4 * inner;
  Value shortcut = x;
  if (stride > 1 || x->type.shape[1] != outputs) shortcut = net.conv(x, outputs, {1, stride});
  Value y = net.unary("relu", net.conv(x, inner, {1}));
  y = net.unary("relu", net.conv(y, inner, {3, stride}));
  return net.unary("relu", net.add(net.conv(y, outputs, {1}), shortcut));
}

Value inverted_residual(Network& net, Value x, int64_t expansion, int64_t outputs, int64_t stride) {
  const int64_t inputs = x->type.shape[1], inner = expansion * inputs;
  Value y = x;
  if (expansion > 1) y = net.unary("relu6", net.conv(y, inner, {1}));
  y = net.unary("relu6", net.conv(y, inner, {3, stride, inner}));
  y = net.conv(y, outputs, {1});
  return stride == 1 && inputs == outputs ? net.add(x, y) : y;
}

}  // namespace

Function resnet50(const CnnOptions& options) {
  constexpr int64_t kBlocks[] = {3, 4, 6, 3};
  Network net("resnet50", options);
  Value x = net.max_pool(net.unary("relu", net.conv(net.image(), net.width(64), {7, 2})));
  for (int64_t stage = 0; stage < 4; ++stage) {
    for (int64_t block = 0; block < kBlocks[stage]; ++block) {
      x = bottleneck(net, x, net.width(64 << stage), stage > 0 && block == 0 ? 2 : 1);
    }
  }
  return net.classify(x);
}

Function mobilenet_v2(const CnnOptions& options) {
  struct Stage {
    int64_t expansion, outputs, blocks, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  Network net("mobilenet_v2", options);
  Value x = net.unary("relu6", net.conv(net.image(), net.width(32), {3, 2}));
  for (const Stage& stage : kStages) {
    for (int64_t block = 0; block < stage.blocks; ++block) {
      x = inverted_residual(net, x, stage.expansion, net.width(stage.outputs),
                            block == 0 ? stage.stride : 1);
    }
  }
  return net.classify(net.unary("relu6", net.conv(x, net.width(1280), {1})));
}

}  // namespace anemone
