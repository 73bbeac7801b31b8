// Operations as the CPU device runs them, at the shapes of Stories110M: D 768, F 2048, H 12, K 64,
// S 256, V 32000. Figures count the operation's own flops and the bytes of its operands.
#include "anemone/devices/cpu/bench_support.h"

namespace anemone {
namespace {

constexpr int64_t kDim = 768, kHidden = 2048, kHeadSize = 64, kColumns = 256, kVocab = 32000;
constexpr DType kType = DType::kFp32;

using namespace cpu_bench;  // NOLINT: helpers of this folder

Value activation(Builder& b, const char* name, int64_t channels) {
  return b.input(name, kType, {1, channels, 1, kColumns});
}

void BM_RmsNorm(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.rms_norm",
                 {{"x", activation(b, "x", kDim)}, {"weight", b.input("w", kType, {kDim})}});
  });
}

void BM_RmsNormBackward(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.rms_norm_backward", {{"x", activation(b, "x", kDim)},
                                               {"weight", b.input("w", kType, {kDim})},
                                               {"dy", activation(b, "dy", kDim)}});
  });
}

void BM_Swiglu(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.swiglu",
                 {{"gate", activation(b, "gate", kHidden)}, {"up", activation(b, "up", kHidden)}});
  });
}

void BM_SwigluBackward(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.swiglu_backward", {{"gate", activation(b, "gate", kHidden)},
                                             {"up", activation(b, "up", kHidden)},
                                             {"dy", activation(b, "dy", kHidden)}});
  });
}

void BM_Rope(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.rope", {{"x", activation(b, "x", kDim)},
                                  {"cos", activation(b, "cos", kHeadSize / 2)},
                                  {"sin", activation(b, "sin", kHeadSize / 2)}});
  });
}

std::vector<Argument> heads(Builder& b) {
  return {{"q", activation(b, "q", kDim)},
          {"k", activation(b, "k", kDim)},
          {"v", activation(b, "v", kDim)},
          {"head_size", b.integer(kHeadSize)},
          {"sequence", b.integer(kColumns)}};
}

template <bool kBf16>
void BM_Attention(benchmark::State& state) {
  const auto build = [](Builder& b) { return b.ops("anemone.causal_attention", heads(b)); };
  measure(state, build, kBf16);
}

template <bool kBf16>
void BM_AttentionBackward(benchmark::State& state) {
  const auto build = [](Builder& b) {
    std::vector<Argument> arguments = heads(b);
    arguments.insert(arguments.begin() + 3, {"dy", activation(b, "dy", kDim)});
    return b.ops("anemone.causal_attention_backward", arguments);
  };
  measure(state, build, kBf16);
}

void BM_CrossEntropy(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.cross_entropy", {{"logits", activation(b, "logits", kVocab)},
                                           {"targets", b.input("t", DType::kInt32, {kColumns})}});
  });
}

void BM_CrossEntropyBackward(benchmark::State& state) {
  measure(state, [](Builder& b) {
    return b.ops("anemone.cross_entropy_backward",
                 {{"logits", activation(b, "logits", kVocab)},
                  {"targets", b.input("t", DType::kInt32, {kColumns})},
                  {"log_sum_exp", b.input("lse", kType, {kColumns})},
                  {"dloss", b.input("dloss", kType, {1})}});
  });
}

// A 1x1 convolution and a product with constant weights, as packages hold them: fp16 is to cost
// what fp32 does.
template <DType dtype>
void BM_Conv(benchmark::State& state) {
  measure(state, [](Builder& b) {
    const Value x = b.input("x", dtype, {1, kDim, 1, kColumns});
    return std::vector{b.conv1x1(x, b.constant(Tensor(dtype, {kDim, kDim, 1, 1})))};
  });
}

template <DType dtype>
void BM_Matmul(benchmark::State& state) {
  measure(state, [](Builder& b) {
    const Value x = b.input("x", dtype, {kColumns, kDim});
    return std::vector{b.matmul(x, b.constant(Tensor(dtype, {kDim, kDim})))};
  });
}

BENCHMARK(BM_Conv<DType::kFp32>)->Apply(threads);
BENCHMARK(BM_Conv<DType::kFp16>)->Apply(threads);
BENCHMARK(BM_Matmul<DType::kFp32>)->Apply(threads);
BENCHMARK(BM_Matmul<DType::kFp16>)->Apply(threads);
BENCHMARK(BM_RmsNorm)->Apply(threads);
BENCHMARK(BM_RmsNormBackward)->Apply(threads);
BENCHMARK(BM_Swiglu)->Apply(threads);
BENCHMARK(BM_SwigluBackward)->Apply(threads);
BENCHMARK(BM_Rope)->Apply(threads);
BENCHMARK(BM_Attention<false>)->Apply(threads);
BENCHMARK(BM_Attention<true>)->Apply(threads);
BENCHMARK(BM_AttentionBackward<false>)->Apply(threads);
BENCHMARK(BM_AttentionBackward<true>)->Apply(threads);
BENCHMARK(BM_CrossEntropy)->Apply(threads);
BENCHMARK(BM_CrossEntropyBackward)->Apply(threads);

}  // namespace
}  // namespace anemone
