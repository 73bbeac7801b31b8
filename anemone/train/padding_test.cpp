// Sequences that are padded to what the device wants give what they give without.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/model/transformer.h"
#include "anemone/tensor/compare.h"
#include "anemone/train/efficiency_report.h"

namespace anemone {
namespace {

const char* const kPipelines[] = {"static", "static-ane", "dynamic"};
constexpr int64_t kSequence = 24, kPadded = 32, kLayers = 2;
constexpr int32_t kVocabulary = 96;

// About 8 roundings to 11 bits for each of the 2 L + 1 contributions to the residual stream, three
// times what they add up to at random; gradients have them forward and again backward.
const double kFp16Logits = 3 * std::sqrt(8.0 * (2 * kLayers + 1)) * 0x1p-12;
const double kFp16Gradients = kFp16Logits * std::sqrt(2);
// Of the same products in another order of summation.
constexpr double kFp32Gradients = 2e-6;

// One micro-step of a model whose rows have `columns` columns: 24 tokens, and padding.
class MicroStep {
 public:
  MicroStep(Device& device, Device& host, const char* pipeline, int64_t batch, int64_t columns,
            const ModelWeights& weights)
      : parameters_(host, clone(weights), /*trained=*/true),
        program_({device, host, find_pipeline(pipeline)},
                 training_chain(weights.config, batch, columns, head_of(pipeline)),
                 parameters_.values(),
                 [&](const std::string& name) { return parameters_.find(name).gradient.get(); }) {
    Tensor tokens(DType::kInt32, {batch * columns}), targets(DType::kInt32, {batch * columns});
    for (int64_t i = 0; i < batch * columns; ++i) {
      const auto at = static_cast<size_t>(i);
      const bool padding = i % columns >= kSequence;
      const int64_t id = 31 * (i / columns) + 7 * (i % columns);
      tokens.as<int32_t>()[at] = padding ? 0 : token(id);
      targets.as<int32_t>()[at] = padding ? -1 : token(id + 7);
    }
    program_.side("tokens").write(tokens);
    program_.side("targets").write(targets);
  }

  // Gradients of loss_scale times the loss, divided by it.
  float run(float loss_scale) {
    const float loss = program_.run(loss_scale);
    for (const auto& [name, tensor] : parameters_.weights().tensors) {
      Tensor& gradient = gradients[name] = Tensor(DType::kFp32, tensor.shape);
      parameters_.find(name).gradient->read(gradient.view());
      for (float& g : gradient.as<float>()) g /= loss_scale;
    }
    return loss;
  }

  const std::vector<std::string>& notes() const { return program_.notes(); }

  std::map<std::string, Tensor> gradients;

 private:
  static OutputHead head_of(const char* pipeline) {
    return softmax_on_device(find_pipeline(pipeline)) ? OutputHead::kLossInParts
                                                      : OutputHead::kLoss;
  }
  static ModelWeights clone(const ModelWeights& weights) {
    ModelWeights copy{weights.config, {}};
    for (const auto& [name, tensor] : weights.tensors) copy.tensors[name] = tensor.clone();
    return copy;
  }
  // Never 0, which is what padding is.
  static int32_t token(int64_t id) { return static_cast<int32_t>(1 + id % (kVocabulary - 1)); }

  ParameterSet parameters_;
  TrainingProgram program_;
};

class Padding : public testing::Test {
 protected:
  Padding() {
    Random random(1);
    std::string bytes;
    for (int i = 0; i < 1000; ++i) {
      bytes += static_cast<char>((static_cast<uint32_t>(i) + random.below(3)) % kVocabulary);
      bytes += '\0';
    }
    write_file(directory / "data.bin", bytes);
  }

  TrainerState state(int64_t batch) {
    TrainerState s;
    TrainOptions& o = s.options;
    o.model = "small";
    o.data = o.validation = (directory / "data.bin").string();
    o.steps = 3;
    o.batch = batch;
    o.sequence = kSequence;
    o.accumulation = 2;
    o.learning_rate = 3e-3;
    return s;
  }

  static TransformerConfig config() {
    TransformerConfig config = engine_sized_config();
    config.max_sequence = kSequence;
    config.tied_classifier = false;
    return config;
  }

  TrainingPlace place(Device& device, const char* pipeline) {
    return {device, *host, pool, find_pipeline(pipeline), &timeline};
  }
  std::unique_ptr<Device> sim() { return make_sim_device(find_chip("m4-max"), pool, {}); }

  TestDirectory directory;
  ThreadPool pool{2};
  Timeline timeline;
  std::unique_ptr<Device> host = make_cpu_device(pool);
  const ModelWeights weights = initial_weights(config(), 5);
};

// Runs both, with the gradients of the padded one within `tolerance` of the other's norm.
void expect_same_gradients(MicroStep& padded, float loss_scale, MicroStep& plain,
                           double tolerance) {
  EXPECT_THAT(padded.notes(), testing::IsEmpty());
  EXPECT_NEAR(padded.run(loss_scale), plain.run(1), tolerance);
  for (const auto& [name, gradient] : plain.gradients) {
    EXPECT_LT(compare(padded.gradients.at(name), gradient).relative_norm, tolerance) << name;
  }
  // Nothing at all reaches what only padding has read.
  const auto embedding = padded.gradients.at("model.embed_tokens.weight").as<float>();
  const auto row = embedding.first(static_cast<size_t>(engine_sized_config().dim));
  EXPECT_THAT(row, testing::Each(0));
}

TEST_F(Padding, ChangesNoGradientInFp32) {
  for (const int64_t batch : {1, 2}) {
    for (const char* pipeline : {"host", "static", "static-ane", "dynamic"}) {
      SCOPED_TRACE(fmt::format("{}, batch {}", pipeline, batch));
      MicroStep plain(*host, *host, "host", batch, kSequence, weights);
      MicroStep padded(*host, *host, pipeline, batch, kPadded, weights);
      expect_same_gradients(padded, 1, plain, kFp32Gradients);
    }
  }
}

TEST_F(Padding, ChangesNoGradientOnTheSimulatedEngineBeyondWhatFp16Explains) {
  for (const int64_t batch : {1, 2}) {
    for (const char* pipeline : kPipelines) {
      SCOPED_TRACE(fmt::format("{}, batch {}", pipeline, batch));
      const auto device = sim();
      MicroStep plain(*host, *host, "host", batch, kSequence, weights);
      MicroStep padded(*device, *host, pipeline, batch, kPadded, weights);
      expect_same_gradients(padded, 1024, plain, kFp16Gradients);
    }
  }
}

TEST_F(Padding, IsWhatATrainerDoesWhereTheDeviceWantsIt) {
  const auto device = sim();
  EXPECT_EQ(Trainer(place(*host, "dynamic"), state(1), initial_weights(config(), 5)).columns(), 24);
  EXPECT_EQ(Trainer(place(*device, "host"), state(1), initial_weights(config(), 5)).columns(), 24);
  for (const char* pipeline : kPipelines) {
    Trainer t(place(*device, pipeline), state(2), initial_weights(config(), 5));
    EXPECT_EQ(t.columns(), kPadded);
    EXPECT_THAT(t.program().notes(), testing::IsEmpty());
  }
}

// The model has 24 positions, and padding is not held against them.
TEST_F(Padding, LeavesTheRealSequenceToBeChecked) {
  const auto device = sim();
  TrainerState s = state(1);
  s.options.sequence = 25;
  try {
    Trainer(place(*device, "dynamic"), s, initial_weights(config(), 5));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr("25 tokens are more than the model's 24"));
  }
}

TEST_F(Padding, UpdatesLossesAndTheReportAreOfRealTokens) {
  for (const char* pipeline : kPipelines) {
    for (const int64_t batch : {1, 2}) {
      SCOPED_TRACE(fmt::format("{}, batch {}", pipeline, batch));
      const auto device = sim();
      Trainer padded(place(*device, pipeline), state(batch), initial_weights(config(), 5));
      Trainer plain(place(*host, "host"), state(batch), initial_weights(config(), 5));
      EXPECT_EQ(padded.validation_loss(), plain.validation_loss());
      while (!plain.done()) {
        const UpdateMetrics expected = plain.update(), found = padded.update();
        // Logits are at most 5; weights drift apart as far again with every update.
        const double one = 5 * kFp16Logits / std::sqrt(static_cast<double>(expected.tokens));
        EXPECT_NEAR(found.loss, expected.loss, one * static_cast<double>(expected.step));
        EXPECT_EQ(found.tokens, batch * kSequence * 2);
      }
      const EfficiencyReport report = make_report(padded, place(*device, pipeline));
      const double real = field_flops(config(), batch, kSequence).total();
      EXPECT_NEAR(report.total_tflops * report.ms_per_step * 1e9, real, 1e-6 * real);
    }
  }
}

TEST_F(Padding, ARunGoesOnFromItsCheckpointBitForBit) {
  const auto device = sim();
  Trainer whole(place(*device, "dynamic"), state(2), initial_weights(config(), 5));
  whole.update();
  whole.save(directory.path());
  const auto checkpoint = resolve_checkpoint(directory.path());
  Trainer again(place(*device, "dynamic"), read_trainer_state(checkpoint),
                read_checkpoint_weights(checkpoint));
  again.restore(checkpoint);
  EXPECT_EQ(again.update().loss, whole.update().loss);
}

}  // namespace
}  // namespace anemone
