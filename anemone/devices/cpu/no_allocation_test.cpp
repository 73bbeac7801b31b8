// Running a compiled stage asks for no memory.
#include <gtest/gtest.h>

#include "anemone/autodiff/stage_gradients.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/cpu/testing/library_allocates.h"
#include "anemone/model/transformer.h"
#include "anemone/passes/passes.h"
#include "anemone/testing/allocation_counter.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

TransformerConfig small_config() {
  TransformerConfig config;
  config.vocab_size = 65;
  config.dim = 24;
  config.hidden_dim = 40;
  config.layers = 1;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_size = 6;
  config.max_sequence = 70;
  return config;
}

void expect_no_allocations(const Function& function, const CompileOptions& options) {
  for (int threads : {1, 2}) {
    SCOPED_TRACE(function.name + " with " + std::to_string(threads) + " threads");
    ThreadPool pool(threads);
    Bound bound(*make_cpu_device(pool), function, options);
    bound.run();
    const size_t before = allocations();
    for (int i = 0; i < 3; ++i) bound.run();
    EXPECT_EQ(allocations() - before, 0u);
  }
}

TEST(NoAllocation, WhileAnyStageOfALlamaRunsForwardOrBackward) {
  if (library_allocates()) GTEST_SKIP() << "the GEMM library of this system asks for memory";
  const StageChain chain = training_chain(small_config(), 2, 65, OutputHead::kLoss);
  for (const Stage& stage : chain.stages) {
    std::vector<std::string> data;
    if (!stage.data_input.empty()) data.push_back(stage.data_input);
    const StageGradients programs =
        differentiate_stage(stage.function, data, stage.weights, {"log_sum_exp"});
    CompileOptions in_place;
    for (const std::string& weight : stage.weights) {
      in_place.in_place.emplace_back("d" + weight + "_sum", "d" + weight);
    }
    expect_no_allocations(programs.forward, {});
    if (!data.empty()) expect_no_allocations(programs.backward, {});
    expect_no_allocations(programs.weight_gradient, in_place);
  }
}

TEST(NoAllocation, WhileATokenIsDecoded) {
  for (const bool narrow : {false, true}) {
    for (Stage& stage : decode_chain(small_config(), 33).stages) {
      if (narrow) narrow_weights(stage.function, stage.weights, DType::kBf16);
      expect_no_allocations(stage.function, {});
    }
  }
}

TEST(NoAllocation, WhileImagesAreResized) {
  for (const char* op : {"resize_nearest_neighbor", "resize_bilinear"}) {
    expect_no_allocations(make_function({fp32({2, 3, 20, 33}, 1)},
                                        [&](Builder& b, const auto& v) {
                                          return b.ops(op, {{"x", v[0]},
                                                            {"target_size_height", b.integer(45)},
                                                            {"target_size_width", b.integer(70)}});
                                        }),
                          {});
  }
}

TEST(NoAllocation, WhileBoxesOfImagesAreRead) {
  expect_no_allocations(
      make_function({fp32({3, 2, 20, 33}, 1), fp32({2, 4}, 2, 0, 19), int32({2}, {2, 0})},
                    [](Builder& b, const auto& v) {
                      return b.ops("crop_resize", {{"x", v[0]},
                                                   {"boxes", v[1]},
                                                   {"box_indices", v[2]},
                                                   {"target_height", b.integer(9)},
                                                   {"target_width", b.integer(70)}});
                    }),
      {});
}

TEST(NoAllocation, WhileRecurrentLayersRun) {
  if (library_allocates()) GTEST_SKIP() << "the GEMM library of this system asks for memory";
  for (const int64_t gates : {1, 3}) {
    const Inputs inputs = {fp32({9, 2, 20}, 1), fp32({2, 33}, 2), fp32({gates * 33, 20}, 3),
                           fp32({gates * 33, 33}, 4)};
    expect_no_allocations(
        make_function(
            inputs,
            [&](Builder& b, const auto& v) {
              return b.ops(
                  gates == 1 ? "rnn" : "gru",
                  {{"x", v[0]}, {"initial_h", v[1]}, {"weight_ih", v[2]}, {"weight_hh", v[3]}});
            }),
        {});
  }
}

TEST(NoAllocation, TheCounterCounts) {
  const size_t before = allocations();
  auto memory = std::make_unique<std::vector<int>>(100);
  EXPECT_GE(allocations() - before, 2u);
  EXPECT_EQ(memory->size(), 100u);
}

}  // namespace
}  // namespace anemone
