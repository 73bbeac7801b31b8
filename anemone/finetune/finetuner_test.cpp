// Any program is trained: its gradients are those of finite differences, frozen numbers cost
// nothing, and what comes out is the same program with other numbers.
#include "anemone/finetune/finetuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/finetune/test_programs.h"
#include "anemone/ir/walk.h"
#include "anemone/runtime/stage_segments.h"
#include "anemone/testing/op_testing.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

ProgramSource source_of(const std::string& text) {
  ProgramSource source;
  source.path = "net.mil";
  source.program = parse_mil(text);
  return source;
}

using Tensors = std::map<std::string, Tensor>;

// Six samples for small_cnn.
Samples six_samples() {
  Tensors tensors;
  tensors.emplace("x", random_tensor({6, 1, 2, 2}, 3).cast(DType::kFp32));
  tensors.emplace("label", Tensor::of<int64_t>({6}, {0, 2, 1, 1, 0, 2}));
  tensors.emplace("wanted", random_tensor({6, 3}, 4).cast(DType::kFp32));
  return Samples("data.npz", std::move(tensors));
}

FinetuneOptions options_for(std::vector<std::string> train, LossKind loss, int64_t batch) {
  FinetuneOptions o;
  o.train = std::move(train);
  o.loss = loss;
  o.targets = loss == LossKind::kMeanSquare ? "wanted" : "label";
  o.run.batch = batch;
  o.run.steps = 1;
  return o;
}

// With these an update takes the gradient itself from each number: AdamW's step is
// rate * g / (|g| + epsilon).
void take_plain_steps(TrainOptions& run) {
  run.learning_rate = run.optimizer.epsilon = 1e5;
  run.optimizer.beta1 = run.optimizer.beta2 = 0;
  run.optimizer.weight_decay = run.optimizer.clip = 0;
}

class FinetunerTest : public testing::Test {
 protected:
  std::unique_ptr<Finetuner> make(ProgramSource& source, const FinetuneOptions& options) {
    return std::make_unique<Finetuner>(
        TrainingPlace{*device_, *device_, pool_, find_pipeline("host")}, source, options,
        six_samples());
  }
  std::string refusal(const std::string& text, const FinetuneOptions& options) {
    ProgramSource source = source_of(text);
    try {
      make(source, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
      return error.what();
    }
    return "";
  }

  // Every trained number's change in one plain step is the slope of the loss there.
  void expect_slopes(const std::string& text, FinetuneOptions options) {
    take_plain_steps(options.run);
    ProgramSource source = source_of(text);
    const auto tuner = make(source, options);
    const Samples all = tuner->fit(six_samples());
    const auto loss = [&] { return tuner->evaluate(all).loss; };
    std::vector<double> slopes, before;
    for_each_number(*tuner, [&](float& number) {
      constexpr float kStep = 0x1p-7F;
      const float middle = number;
      number = middle + kStep;
      const double above = loss();
      number = middle - kStep;
      slopes.push_back((above - loss()) / (2 * kStep));
      number = middle;
      before.push_back(middle);
    });
    tuner->update();
    size_t i = 0;
    for_each_number(*tuner, [&](float& number) {
      EXPECT_NEAR(before[i] - number, slopes[i], 2e-3) << "number " << i;
      ++i;
    });
    EXPECT_GT(i, 0);
  }

  static void for_each_number(Finetuner& tuner, const std::function<void(float&)>& visit) {
    for (Parameter& parameter : tuner.parameters()) {
      for (float& number : parameter.value->map().as<float>()) visit(number);
    }
  }

  ThreadPool pool_{1};
  std::unique_ptr<Device> device_ = make_cpu_device(pool_);
};

const std::vector<std::string> kAll = {"*"};

TEST_F(FinetunerTest, StepsFollowFiniteDifferencesOfCrossEntropy) {
  expect_slopes(small_cnn("fp32"), options_for(kAll, LossKind::kCrossEntropy, 6));
}

TEST_F(FinetunerTest, StepsFollowFiniteDifferencesOfTheMeanSquare) {
  expect_slopes(small_cnn("fp32"), options_for(kAll, LossKind::kMeanSquare, 6));
}

TEST_F(FinetunerTest, HalvesAreTrainedAsWideNumbers) {
  expect_slopes(small_cnn("fp16"), options_for(kAll, LossKind::kCrossEntropy, 6));
}

TEST_F(FinetunerTest, MicroStepsOfTheProgramsOwnBatchAddUp) {
  // A table for every sample of a run: the same, since their order is shuffled.
  std::string text = small_cnn("fp32");
  const std::string linear = "tensor<fp32, [2, 3]> logits = linear(x = flat";
  text.replace(
      text.find(linear), linear.size(),
      constant("fp32, [2, 8]", "places", "1, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0") +
          "tensor<fp32, [2, 8]> placed = add(x = flat, y = places);\n"
          "tensor<fp32, [2, 3]> logits = linear(x = placed");
  expect_slopes(text, options_for({"weight", "filter"}, LossKind::kCrossEntropy, 6));
  ProgramSource source = source_of(text);
  EXPECT_EQ(make(source, options_for(kAll, LossKind::kCrossEntropy, 6))->micro_steps(), 3);
  EXPECT_THAT(refusal(text, options_for(kAll, LossKind::kCrossEntropy, 5)),
              AllOf(HasSubstr("--batch"), HasSubstr("5 is no multiple of the 2 samples"),
                    HasSubstr("4 or 6")));
}

TEST_F(FinetunerTest, ABatchIsOneRunWhereSizesAreOpenOrCanBeInferredAgain) {
  for (const char* batch : {"?", "2", "1"}) {
    ProgramSource source = source_of(small_cnn("fp32", batch));
    const auto tuner = make(source, options_for(kAll, LossKind::kCrossEntropy, 6));
    EXPECT_EQ(tuner->micro_steps(), 1) << batch;
  }
  // Also where a converter has written the size of the batch that it saw.
  std::string text = small_cnn("fp32");
  text.replace(text.find("[-1, 8]"), 7, "[2, 8]");
  ProgramSource source = source_of(text);
  EXPECT_EQ(make(source, options_for(kAll, LossKind::kCrossEntropy, 6))->micro_steps(), 1);
  expect_slopes(text, options_for(kAll, LossKind::kCrossEntropy, 6));
}

TEST_F(FinetunerTest, RowsOfOneSampleAreNotMixedWithThoseOfOthers) {
  // Inferred again with two samples, the product would be of the rows of both.
  const std::string text = program(
      "tensor<fp32, [1, 1, 2, 2]> x",
      constant("fp32, [2, 2]", "weight", "1, 2, 3, 4") +
          "tensor<fp32, [2, 2]> rows = reshape(x = x, shape = tensor<int32, [2]>([-1, 2]));\n"
          "tensor<fp32, [2, 2]> scores = matmul(x = rows, y = rows, transpose_y = bool(true));\n"
          "tensor<fp32, [2, 2]> shares = softmax(x = scores, axis = int32(-1));\n"
          "tensor<fp32, [2, 2]> mixed = matmul(x = shares, y = rows);\n"
          "tensor<fp32, [2, 2]> y = linear(x = mixed, weight = weight, "
          "bias = tensor<fp32, [2]>([0, 0]));\n"
          "tensor<fp32, [1, 1, 2, 2]> z = reshape(x = y, "
          "shape = tensor<int32, [4]>([-1, 1, 2, 2]));",
      "z");
  ProgramSource source = source_of(text);
  FinetuneOptions options = options_for(kAll, LossKind::kMeanSquare, 2);
  options.targets = "x";
  EXPECT_EQ(make(source, options)->micro_steps(), 2);
}

TEST_F(FinetunerTest, AnEngineRunsBothDirectionsAndLearnsTheSame) {
  const auto engine = make_sim_device(find_chip("m4-max"), pool_, {});
  FinetuneOptions options = options_for(kAll, LossKind::kCrossEntropy, 6);
  options.run.steps = 20;
  options.run.learning_rate = 0.02;
  ProgramSource host_source = source_of(small_mlp()), engine_source = source_of(small_mlp());
  const auto on_host = make(host_source, options);
  const TrainingPlace place{*engine, *device_, pool_, placement_of_program("dynamic")};
  Finetuner on_engine(place, engine_source, options, six_samples());
  EXPECT_THAT(on_engine.program().notes(), testing::IsEmpty());
  EXPECT_GT(on_engine.program().device_flops(), on_engine.program().flops() / 2);
  double first = 0, last = 0;
  while (!on_host->done()) {
    last = on_host->update().loss;
    if (first == 0) first = last;
    EXPECT_NEAR(on_engine.update().loss, last, 5e-3);  // fp16
  }
  EXPECT_LT(last, first - 0.1);
}

TEST_F(FinetunerTest, GradientsOfMaximaReachTheirElementsAcrossPrecisions) {
  // Batches of convolutions are the host's, in fp32; the maxima of their results the engine's.
  std::string text = small_cnn("fp32", "?");
  text.replace(
      text.find("relu(x = n)"), 11,
      "max_pool(x = n, kernel_sizes = tensor<int32, [2]>([2, 2]), strides = tensor<int32, "
      "[2]>([1, 1]), pad_type = string(\"custom\"), pad = tensor<int32, [4]>([0, 1, 0, 1]), "
      "ceil_mode = bool(false))");
  const auto engine = make_sim_device(find_chip("m4-max"), pool_, {});
  const FinetuneOptions options = options_for({"filter"}, LossKind::kCrossEntropy, 6);
  ProgramSource host_source = source_of(text), engine_source = source_of(text);
  const TrainingPlace place{*engine, *device_, pool_, placement_of_program("dynamic")};
  Finetuner on_engine(place, engine_source, options, six_samples());
  EXPECT_GT(on_engine.program().device_flops(), 0);
  const double expected = make(host_source, options)->update().gradient_norm;
  EXPECT_NEAR(on_engine.update().gradient_norm / expected, 1, 1e-2);
}

// Operations of the weight-gradient part, when these constants are trained.
std::multiset<std::string> gradient_operations(ProgramSource& source,
                                               const std::vector<std::string>& train,
                                               Device& host) {
  Samples samples = six_samples();
  const FinetuneOptions options = options_for(train, LossKind::kCrossEntropy, 6);
  TrainedFunction trained = make_trained_function(source, options, samples, host);
  append_loss(trained.function, fit_loss(options, trained.output(), 6, samples));
  const Stage stage{std::move(trained.function), "", "loss", trained.weights};
  std::multiset<std::string> types;
  for (const StageSegment& segment :
       segment_stage(stage, find_pipeline("host"), host, false).segments) {
    if (segment.part != Part::kWeightGradient) continue;
    walk(segment.function, [&](const Operation& op) { types.insert(op.type); });
  }
  return types;
}

TEST_F(FinetunerTest, FrozenNumbersCostNoGradientAndNoMoments) {
  ProgramSource source = source_of(small_cnn("fp32"));
  const auto last = gradient_operations(source, {"bias"}, *device_);
  const auto all = gradient_operations(source, kAll, *device_);
  EXPECT_EQ(last.count("matmul") + last.count("conv") + last.count("conv_transpose"), 0);
  EXPECT_GT(all.count("conv") + all.count("matmul"), 1);
  const auto tuner = make(source, options_for({"bias"}, LossKind::kCrossEntropy, 6));
  ASSERT_EQ(tuner->parameters().size(), 1);
  EXPECT_EQ(tuner->parameters()[0].name, "bias");
  EXPECT_EQ(tuner->count(), 3);
  EXPECT_EQ(tuner->model().constants_in_all, 5);  // without mean and variance
}

TEST_F(FinetunerTest, OnlyTrainedConstantsChangeAndKeepTheirTypes) {
  ProgramSource source = source_of(small_cnn("fp16"));
  const Program before = parse_mil(small_cnn("fp16"));
  FinetuneOptions options = options_for({"weight"}, LossKind::kCrossEntropy, 6);
  options.run.steps = 3;
  const auto tuner = make(source, options);
  while (!tuner->done()) tuner->update();
  tuner->store();
  Function& after = source.program.functions[0];
  const Literal& weight = *constant_of(after.find("weight"));
  EXPECT_EQ(weight.type, after.find("weight")->type);
  EXPECT_EQ(weight.tensor->dtype(), DType::kFp16);
  EXPECT_FALSE(structurally_equal(before, source.program));
  // With the old weight it is the old program.
  after.find("weight")->producer->attributes =
      before.functions[0].find("weight")->producer->attributes;
  EXPECT_TRUE(structurally_equal(before, source.program));
}

TEST_F(FinetunerTest, NothingIsStoredThatTheTypeDoesNotHold) {
  ProgramSource source = source_of(small_cnn("fp16"));
  const auto tuner = make(source, options_for({"bias"}, LossKind::kCrossEntropy, 6));
  tuner->parameters()[0].value->map().as<float>()[1] = 1e6F;
  EXPECT_THAT(error_of([&] { tuner->store(); }),
              AllOf(HasSubstr("constant 'bias'"), HasSubstr("1000000"), HasSubstr("fp16")));
}

TEST_F(FinetunerTest, TheLossThatIsTrainedIsTheOneThatIsEvaluated) {
  for (const LossKind loss : {LossKind::kCrossEntropy, LossKind::kMeanSquare}) {
    ProgramSource source = source_of(small_cnn("fp32"));
    const auto tuner = make(source, options_for(kAll, loss, 6));
    const double expected = tuner->evaluate(tuner->fit(six_samples())).loss;
    EXPECT_NEAR(tuner->update().loss, expected, 1e-6);
  }
}

TEST_F(FinetunerTest, TheSameSeedGivesTheSameRun) {
  const auto losses = [&](uint64_t seed) {
    ProgramSource source = source_of(small_cnn("fp32"));
    FinetuneOptions options = options_for(kAll, LossKind::kCrossEntropy, 2);
    options.run.steps = 4;
    options.run.seed = seed;
    const auto tuner = make(source, options);
    std::vector<double> all;
    while (!tuner->done()) all.push_back(tuner->update().loss);
    return all;
  };
  EXPECT_EQ(losses(5), losses(5));
  EXPECT_NE(losses(5), losses(6));
}

TEST_F(FinetunerTest, ValuesOfTheProgramMayHaveTheNamesOfGradients) {
  std::string text = small_cnn("fp32");
  const std::pair<std::string, std::string> renamed[] = {
      {" n ", " dbias "},      {"= n)", "= dbias)"}, {" r ", " loss "},
      {"x = r,", "x = loss,"}, {" c ", " targets "}, {"x = c,", "x = targets,"}};
  for (const auto& [from, to] : renamed) text.replace(text.find(from), from.size(), to);
  expect_slopes(text, options_for({"bias", "gamma"}, LossKind::kCrossEntropy, 6));
}

TEST_F(FinetunerTest, APatternThatMatchesNoConstantNamesThoseThereAre) {
  const std::string text = small_cnn("fp32");
  const auto with = [&](std::vector<std::string> train) {
    return refusal(text, options_for(std::move(train), LossKind::kCrossEntropy, 6));
  };
  EXPECT_THAT(with({"wieght"}), AllOf(HasSubstr("--train wieght"), HasSubstr("'weight'")));
  EXPECT_THAT(with({"layer*"}), HasSubstr("there are filter, gamma, beta, weight, bias"));
  EXPECT_THAT(with({"weight", "variance"}),
              AllOf(HasSubstr("'variance' cannot be trained"), HasSubstr("a statistic")));
  EXPECT_THAT(with({}), HasSubstr("--train"));
}

TEST_F(FinetunerTest, AnOutputIsAnyValueOfFloats) {
  const std::string text = small_cnn("fp32");
  FinetuneOptions options = options_for(kAll, LossKind::kCrossEntropy, 6);
  options.output = "logit";
  EXPECT_THAT(refusal(text, options), AllOf(HasSubstr("--output logit"), HasSubstr("'logits'")));
  options = options_for({"filter"}, LossKind::kMeanSquare, 6);
  options.output = "r";
  EXPECT_THAT(refusal(text, options),
              AllOf(HasSubstr("targets 'wanted'"), HasSubstr("[3]"), HasSubstr("[2, 2, 2]")));
  options.train = {"bias"};
  EXPECT_THAT(refusal(text, options), HasSubstr("does not depend on 'bias'"));
}

TEST_F(FinetunerTest, ASoftmaxBeforeCrossEntropyIsRefusedByTheNameOfItsInput) {
  std::string text = small_cnn("fp32");
  text.replace(text.find("} -> (logits)"), 13,
               "tensor<fp32, [2, 3]> p = softmax(x = logits, axis = int32(1));\n} -> (p)");
  EXPECT_THAT(refusal(text, options_for(kAll, LossKind::kCrossEntropy, 6)),
              AllOf(HasSubstr("softmax"), HasSubstr("--output logits")));
  FinetuneOptions options = options_for(kAll, LossKind::kCrossEntropy, 6);
  options.output = "logits";
  EXPECT_EQ(refusal(text, options), "");
  EXPECT_EQ(refusal(text, options_for(kAll, LossKind::kMeanSquare, 6)), "");
}

TEST_F(FinetunerTest, WhatHasNoGradientIsNamed) {
  std::string text = small_cnn("fp32");
  text.replace(text.find("relu(x = n)"), 11,
               "crop_resize(x = n, boxes = tensor<fp32, [2, 4]>([0, 0, 1, 1, 0, 0, 1, 1]), "
               "box_indices = tensor<int32, [2]>([0, 1]), target_height = int32(2), "
               "target_width = int32(2))");
  EXPECT_THAT(
      refusal(text, options_for(kAll, LossKind::kCrossEntropy, 2)),
      AllOf(HasSubstr("net.mil:"), HasSubstr("crop_resize has no gradient"), HasSubstr("'r'")));
  // Behind it all is well.
  EXPECT_EQ(refusal(text, options_for({"weight"}, LossKind::kCrossEntropy, 2)), "");
}

}  // namespace
}  // namespace anemone
