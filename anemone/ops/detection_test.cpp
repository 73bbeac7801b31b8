#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Options {
  std::string opset = "ios15";
  int64_t boxes = 4, classes = 1, most = 2;
  std::string more = "";
};

std::vector<Tensor> suppress(const std::vector<float>& boxes, const std::vector<float>& scores,
                             Options o) {
  const bool last = o.opset == "ios17";
  const auto type = [&](int64_t count, int64_t numbers) {
    return last ? fmt::format("tensor<fp32, [1, {}, {}]>", numbers, count)
                : fmt::format("tensor<fp32, [1, {}, {}]>", count, numbers);
  };
  const auto shape = [&](int64_t numbers) {
    return last ? Shape{1, numbers, o.boxes} : Shape{1, o.boxes, numbers};
  };
  const std::string text = fmt::format(
      "func main<{}>({} b, {} s) {{ {} ob, {} os, tensor<int32, [1, {}]> oi{} = "
      "non_maximum_suppression(boxes = b, scores = s, iou_threshold = fp32(0.2), max_boxes = "
      "int32({}){}{}); }} -> (ob, os, oi{});",
      o.opset, type(o.boxes, 4), type(o.boxes, o.classes), type(o.most, 4), type(o.most, o.classes),
      o.most, last ? "" : ", tensor<int32, [1]> on", o.most,
      last ? "" : ", score_threshold = fp32(0.4)", o.more, last ? "" : ", on");
  return run_mil(text,
                 {Tensor::of<float>(shape(4), boxes), Tensor::of<float>(shape(o.classes), scores)});
}

// Core ML's own example: box i has its centre and size at i.
const std::vector<float> kBoxes = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};

TEST(NonMaximumSuppression, KeepsTheBestBoxesThatDoNotOverlap) {
  const auto out = suppress(kBoxes, {-3.5f, 9.4f, 2.3f, 0.7f}, {});
  EXPECT_THAT(values(out[0]), ElementsAre(1, 1, 1, 1, 2, 2, 2, 2));
  EXPECT_THAT(values(out[1]), ElementsAre(9.4f, 2.3f));
  EXPECT_THAT(values(out[2]), ElementsAre(1, 2));
  EXPECT_THAT(values(out[3]), ElementsAre(2));
}

TEST(NonMaximumSuppression, FillsUpWithZerosAndMinusOne) {
  // Two boxes that lie on each other, one below the threshold, one apart.
  const std::vector<float> boxes = {5, 5, 2, 2, 5, 5, 2, 2, 1, 1, 1, 1, 9, 9, 1, 1};
  const auto out = suppress(boxes, {1, 2, 0.1f, 3}, {.most = 3});
  EXPECT_THAT(values(out[2]), ElementsAre(3, 1, -1));
  EXPECT_THAT(values(out[1]), ElementsAre(3, 2, 0));
  EXPECT_THAT(values(out[3]), ElementsAre(2));
  // The best box stays even where none reaches the threshold.
  const auto none = suppress(boxes, {0.1f, 0.2f, 0.3f, 0}, {});
  EXPECT_THAT(values(none[2]), ElementsAre(2, -1));
}

TEST(NonMaximumSuppression, OfEachClassOnRequest) {
  const std::vector<float> boxes = {5, 5, 2, 2, 5, 5, 2, 2};
  const Options options = {.boxes = 2, .classes = 2, .most = 2};
  EXPECT_THAT(values(suppress(boxes, {1, 0, 0, 2}, options)[2]), ElementsAre(1, -1));
  Options each = options;
  each.more = ", per_class_suppression = bool(true)";
  EXPECT_THAT(values(suppress(boxes, {1, 0, 0, 2}, each)[2]), ElementsAre(1, 0));
}

TEST(NonMaximumSuppression, HasTheBoxesLastFromIos17On) {
  // Rows x, y, width, height of three boxes.
  const auto out =
      suppress({1, 5, 9, 1, 5, 9, 1, 1, 1, 1, 1, 1}, {1, 3, NAN}, {.opset = "ios17", .boxes = 3});
  EXPECT_EQ(out.size(), 3u);
  EXPECT_THAT(values(out[0]), ElementsAre(5, 1, 5, 1, 1, 1, 1, 1));
  EXPECT_THAT(values(out[2]), ElementsAre(1, 0));
}

TEST(NonMaximumSuppression, RulesC1ToC4) {
  const auto refused = [](const Shape& boxes, const Shape& scores, int64_t most, bool threshold) {
    const auto build = [=](Builder& b, const auto& v) {
      std::vector<Argument> arguments = {{"boxes", v[0]},
                                         {"scores", v[1]},
                                         {"max_boxes", b.integer(most)},
                                         {"iou_threshold", b.scalar(DType::kFp64, 0.5)}};
      if (threshold) arguments.push_back({"score_threshold", b.scalar(DType::kFp64, 0.5)});
      return b.ops("non_maximum_suppression", std::move(arguments))[0];
    };
    return refusal({random_tensor(boxes, 0), random_tensor(scores, 0)}, build);
  };
  EXPECT_THAT(refused({4, 3}, {1, 1, 3}, 1, false), HasSubstr("non_maximum_suppression.c1"));
  EXPECT_THAT(refused({1, 3, 4}, {1, 1, 3}, 1, false), HasSubstr("non_maximum_suppression.c2"));
  EXPECT_THAT(refused({1, 4, 3}, {1, 1, 3}, 0, false), HasSubstr("non_maximum_suppression.c3"));
  EXPECT_THAT(refused({1, 4, 3}, {1, 1, 3}, 1, true), HasSubstr("non_maximum_suppression.c4"));
}

std::string classifier(const std::string& probabilities, const std::string& classes) {
  return "func main<ios15>(tensor<" + probabilities +
         "> p) { string label, dict<string, fp64> all = "
         "classify(classes = " +
         classes + ", probabilities = p); } -> (label, all);";
}

TEST(Classify, HasALabelAndADictionaryAndIsNotRun) {
  const std::string two = "list<string, 2>([\"cat\", \"dog\"])";
  EXPECT_THAT(error_of([&] {
                run_mil(classifier("fp32, [1, 2]", two), {Tensor(DType::kFp32, {1, 2})});
              }),
              HasSubstr("classify is not run: its results are no tensors"));
  EXPECT_THAT(error_of([&] { run_mil(classifier("fp16, [2]", two)); }), HasSubstr("classify.c1"));
  EXPECT_THAT(error_of([&] { run_mil(classifier("fp32, [3]", two)); }),
              HasSubstr("classify.c3: 2 classes for probabilities tensor<fp32, [3]>"));
}

}  // namespace
}  // namespace anemone
