// Training with the operands of matrix products rounded to bf16: what fp32 does, but for rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/model/transformer.h"
#include "anemone/runtime/stage_segments.h"
#include "anemone/train/trainer.h"

namespace anemone {
namespace {

constexpr int kUpdates = 20;

// A number of 8 significant bits is off by at most 2^-9 of itself. On its way to a logit a value
// passes six products a layer (queries, keys and values; scores; mixed values; their projection;
// two of the feed-forward part) and the classifier's, each with two rounded operands: that many
// roundings, as errors of random sign add up. A gradient takes the way forward and back.
const double kLogits = std::sqrt(2.0 * (6 * engine_sized_config().layers + 1)) * 0x1p-9;
const double kGradients = std::sqrt(2) * kLogits;

// Logits of a new model are its table's rows, of deviation 0.02, times columns of size 1.
const double kLogitSize = 0.02 * std::sqrt(engine_sized_config().dim);

// A loss is a difference of logits, and what has been learnt by then followed gradients that were
// off as well. That the errors of 64 targets are averaged is the reserve in this: about six times.
double allowed(double first_loss, double loss) {
  return kLogits * kLogitSize + kGradients * std::abs(first_loss - loss);
}

class Bf16Training : public testing::Test {
 protected:
  Bf16Training() {
    // Each token tends to follow its neighbour, so that there is something to learn.
    Random random(1);
    std::string bytes;
    for (uint32_t i = 0; i < 2000; ++i) {
      bytes += static_cast<char>((i + random.below(3)) % 96);
      bytes += '\0';
    }
    write_file(directory / "data.bin", bytes);
  }

  std::vector<double> losses(bool bf16, int threads = 2) {
    ThreadPool pool(threads);
    const auto device = make_cpu_device(pool, {.bf16 = bf16});
    TrainerState state;
    TrainOptions& o = state.options;
    o.data = (directory / "data.bin").string();
    o.order = Order::kSequential;
    o.steps = kUpdates;
    o.batch = 2;
    o.sequence = 32;
    o.learning_rate = 3e-3;
    Trainer trainer({*device, *device, pool, find_pipeline("host")}, state,
                    initial_weights(engine_sized_config(), 5));
    std::vector<double> losses;
    while (!trainer.done()) losses.push_back(trainer.update().loss);
    return losses;
  }

  TestDirectory directory;
};

TEST_F(Bf16Training, FollowsTheLossesOfFp32WithinItsRoundingAndIsNotFp32) {
  const std::vector<double> fp32 = losses(false), bf16 = losses(true);
  ASSERT_EQ(losses(false), fp32);  // so that a difference is bf16's
  // There is more to learn than is allowed: a run that stands still does not pass.
  const double first = fp32.front();
  ASSERT_GT(first - fp32.back(), 20 * allowed(first, fp32.back()));
  for (size_t i = 0; i < kUpdates; ++i) {
    EXPECT_NEAR(bf16[i], fp32[i], allowed(first, fp32[i])) << "update " << i + 1;
    EXPECT_NE(bf16[i], fp32[i]) << "update " << i + 1;
  }
}

// What programs of a stage hand to each other in bf16, sorted.
std::vector<std::string> handed_on_in_bf16(const Stage& stage) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool, {.bf16 = true});
  StageSegments all = segment_stage(stage, find_pipeline("host"), *device, true);
  narrow_host_ports(stage, device->info().product_type, all.segments);
  std::vector<std::string> names;
  for (const StageSegment& segment : all.segments) {
    for (Value output : segment.function.outputs) {
      if (output->type.dtype == DType::kBf16) names.push_back(output->name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Bf16Ports, AreTheOperandsOfProductsThatWeightGradientsReadAgain) {
  const TransformerConfig config = engine_sized_config();
  EXPECT_EQ(handed_on_in_bf16(ffn_stage(config, 64).stage),
            (std::vector<std::string>{"hidden", "post_attention_layernorm_out", "swiglu_backward",
                                      "swiglu_backward_1"}));
  EXPECT_EQ(handed_on_in_bf16(attention_stage(config, {}, 2, 32).stage),
            (std::vector<std::string>{"causal_attention_backward_2", "input_layernorm_out", "k",
                                      "mixed", "q", "rope", "rope_1"}));
  EXPECT_EQ(handed_on_in_bf16(loss_stage(config, 64).stage),
            (std::vector<std::string>{"cross_entropy_backward", "norm_out"}));
}

TEST_F(Bf16Training, DoesNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(losses(true, 1), losses(true, 3));
}

}  // namespace
}  // namespace anemone
