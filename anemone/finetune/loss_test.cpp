// The loss of a program's output: worked examples, axes of classes, and what does not fit.
#include "anemone/finetune/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"

namespace anemone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// y = x, of one type and shape.
Function copy_of(const Shape& shape) {
  Function function("main", "ios17");
  Builder b(function);
  b.output("y", b.unary("identity", b.input("x", DType::kFp32, shape)));
  return function;
}

Samples samples_of(Tensor targets) {
  std::map<std::string, Tensor> tensors;
  tensors.emplace("t", std::move(targets));
  Samples samples("data.npz", std::move(tensors));
  samples.keep({"t"});
  return samples;
}

FinetuneOptions options_for(LossKind loss, std::optional<int64_t> axis = {}) {
  FinetuneOptions options;
  options.loss = loss;
  options.targets = "t";
  options.class_axis = axis;
  return options;
}

// The loss of an output of two samples: as operations and as sums, which must agree.
double loss_of(const Tensor& output, Tensor targets, const FinetuneOptions& options,
               double* accuracy = nullptr) {
  Function function = copy_of(output.shape());
  Samples samples = samples_of(std::move(targets));
  const LossShape shape = fit_loss(options, function.outputs[0], output.shape()[0], samples);
  append_loss(function, shape);
  NamedTensors inputs;
  inputs["x"] = output.clone();
  Tensor flat = samples.tensor("t").clone();
  flat.reshape({flat.size()});
  LossSum sum(shape);
  sum.add(output, flat, output.shape()[0]);
  inputs["targets"] = std::move(flat);
  const double loss = evaluate(function, inputs).at("loss").at(0);
  EXPECT_NEAR(sum.mean(), loss, 1e-6);
  if (accuracy) *accuracy = sum.accuracy().value();
  return loss;
}

// Empty where nothing is refused.
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string refusal_of(const Shape& output, Tensor targets, const FinetuneOptions& options) {
  Function function = copy_of(output);
  Samples samples = samples_of(std::move(targets));
  return message_of([&] { fit_loss(options, function.outputs[0], output[0], samples); });
}

TEST(FinetuneLoss, CrossEntropyOfEqualLogitsIsTheLogarithmOfTheirNumber) {
  const Tensor logits(DType::kFp32, {2, 4});
  const double loss =
      loss_of(logits, Tensor::of<int32_t>({2}, {3, 0}), options_for(LossKind::kCrossEntropy));
  EXPECT_NEAR(loss, std::log(4), 1e-6);
}

TEST(FinetuneLoss, ClassesMayBeOnAnyAxis) {
  // Class probabilities e^1 : e^0 in the first position, e^0 : e^2 in the others.
  const double right = std::log(1 + std::exp(-1)), second = std::log(1 + std::exp(-2));
  const double expected = (right + 5 * second) / 6;
  const auto targets = [] { return Tensor::of<int32_t>({2, 3}, {0, 1, 1, 1, 1, 1}); };
  double accuracy = 0;
  EXPECT_NEAR(loss_of(Tensor::of<float>({2, 3, 2}, {1, 0, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2}), targets(),
                      options_for(LossKind::kCrossEntropy), &accuracy),
              expected, 1e-6);
  EXPECT_EQ(accuracy, 1);
  EXPECT_NEAR(loss_of(Tensor::of<float>({2, 2, 3}, {1, 0, 0, 0, 2, 2, 0, 0, 0, 2, 2, 2}), targets(),
                      options_for(LossKind::kCrossEntropy), &accuracy),
              expected, 1e-6);
}

TEST(FinetuneLoss, AnAxisOfClassesThatShapesLeaveOpenIsAskedFor) {
  const auto targets = [] { return Tensor(DType::kInt32, {2, 3}); };
  EXPECT_THAT(refusal_of({2, 3, 3}, targets(), options_for(LossKind::kCrossEntropy)),
              HasSubstr("--class-axis"));
  EXPECT_EQ(refusal_of({2, 3, 3}, targets(), options_for(LossKind::kCrossEntropy, -1)), "");
  EXPECT_EQ(refusal_of({2, 3, 3}, targets(), options_for(LossKind::kCrossEntropy, 1)), "");
  EXPECT_NE(refusal_of({2, 3, 3}, targets(), options_for(LossKind::kCrossEntropy, 0)), "");
}

TEST(FinetuneLoss, AccuracyIsTheShareOfTargetsWithTheGreatestOutput) {
  double accuracy = 0;
  loss_of(Tensor::of<float>({4, 2}, {1, 0, 0, 1, 3, 2, -1, -2}),
          Tensor::of<int32_t>({4}, {0, 0, 0, 1}), options_for(LossKind::kCrossEntropy), &accuracy);
  EXPECT_EQ(accuracy, 0.5);
}

TEST(FinetuneLoss, MeanSquareIsOverEveryElement) {
  EXPECT_NEAR(loss_of(Tensor::of<float>({2, 2}, {1, 2, 3, 4}),
                      Tensor::of<float>({2, 2}, {1, 0, 0, 4}), options_for(LossKind::kMeanSquare)),
              (4. + 9) / 4, 1e-6);
}

TEST(FinetuneLoss, AClassThatIsNoneIsRefusedWithItsSample) {
  const auto of = [](std::vector<int64_t> classes) {
    return refusal_of({2, 4}, Tensor::of<int64_t>({3}, classes),
                      options_for(LossKind::kCrossEntropy));
  };
  EXPECT_EQ(of({0, 3, 1}), "");
  for (const int64_t wrong : {int64_t{4}, int64_t{-1}, int64_t{1} << 40}) {
    EXPECT_THAT(of({0, wrong, 1}), AllOf(HasSubstr("sample 1"), HasSubstr("classes 0 to 3")));
  }
}

TEST(FinetuneLoss, TargetsOfAnotherTypeOrShapeAreRefused) {
  EXPECT_THAT(refusal_of({2, 4}, Tensor(DType::kFp32, {3}), options_for(LossKind::kCrossEntropy)),
              AllOf(HasSubstr("data.npz: targets 't'"), HasSubstr("fp32")));
  EXPECT_THAT(
      refusal_of({2, 4}, Tensor(DType::kInt32, {3, 1}), options_for(LossKind::kCrossEntropy)),
      AllOf(HasSubstr("[1]"), HasSubstr("[4]")));
  EXPECT_THAT(refusal_of({2, 4}, Tensor(DType::kInt32, {3, 4}), options_for(LossKind::kMeanSquare)),
              HasSubstr("int32"));
  EXPECT_THAT(refusal_of({2, 4}, Tensor(DType::kFp32, {3, 5}), options_for(LossKind::kMeanSquare)),
              AllOf(HasSubstr("[5]"), HasSubstr("[4]")));
}

TEST(FinetuneSamples, EachIsSeenOnceAnEpoch) {
  SampleOrder order(5, 1);
  std::vector<int64_t> first(5), rest(10);
  order.next(first);
  EXPECT_THAT(first, testing::UnorderedElementsAre(0, 1, 2, 3, 4));
  order.next(rest);  // two epochs more, in an order of their own
  std::ranges::sort(rest);
  EXPECT_THAT(rest, testing::ElementsAre(0, 0, 1, 1, 2, 2, 3, 3, 4, 4));
}

TEST(FinetuneSamples, MissingUnequalAndEmptyTensorsAreRefusedByName) {
  const auto keep = [](std::vector<std::string> names) {
    std::map<std::string, Tensor> tensors;
    tensors.emplace("image", Tensor(DType::kFp32, {3, 2}));
    tensors.emplace("label", Tensor(DType::kInt32, {4}));
    tensors.emplace("none", Tensor(DType::kInt32, {0, 4}));
    tensors.emplace("number", Tensor(DType::kInt32, {}));
    Samples samples("data.npz", std::move(tensors));
    return message_of([&] { samples.keep(names); });
  };
  EXPECT_EQ(keep({"image"}), "");
  EXPECT_THAT(keep({"imag"}), AllOf(HasSubstr("data.npz"), HasSubstr("'image'")));
  EXPECT_THAT(keep({"image", "label"}),
              AllOf(HasSubstr("'label'"), HasSubstr("4 samples"), HasSubstr("'image' has 3")));
  EXPECT_THAT(keep({"none"}), HasSubstr("no samples"));
  EXPECT_THAT(keep({"number"}), HasSubstr("one number"));
}

TEST(FinetuneSamples, ANaNIsRefusedWithItsSample) {
  std::map<std::string, Tensor> tensors;
  tensors.emplace("x", Tensor::of<float>({3, 2}, {0, 1, 2, NAN, 4, 5}));
  Samples samples("data.npz", std::move(tensors));
  samples.keep({"x"});
  EXPECT_THAT(message_of([&] { samples.convert("x", DType::kFp32); }),
              AllOf(HasSubstr("tensor 'x'"), HasSubstr("sample 1 has a NaN")));
}

}  // namespace
}  // namespace anemone
