#include "anemone/finetune/loss.h"

#include <fmt/format.h>

#include <cmath>

#include "anemone/ops/builder.h"

namespace anemone {
namespace {

std::string place_of_targets(const FinetuneOptions& o, const Samples& samples) {
  return fmt::format("{}: targets '{}'", samples.path(), o.targets);
}

// Without the axis of the batch, if it has one.
Shape sample_shape(Value output, int64_t batch) {
  const Shape& shape = output->type.shape;
  if (!shape.empty() && shape[0] == batch) return {shape.begin() + 1, shape.end()};
  if (batch == 1) return shape;
  fail("--output " + output->name,
       fmt::format("it is {}, but a run has {} samples", to_string(shape), batch),
       "its first axis must count the samples");
}

Shape without_axis(Shape shape, size_t axis) {
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return shape;
}

// Axes of a sample's output that can count classes, given the targets' shape.
std::vector<size_t> class_axes(const FinetuneOptions& o, Value output, const Shape& sample,
                               const Shape& targets) {
  std::vector<size_t> axes;
  const size_t batch_axes = output->type.shape.size() - sample.size();
  for (size_t axis = 0; axis < sample.size(); ++axis) {
    if (without_axis(sample, axis) == targets) axes.push_back(axis);
  }
  if (!o.class_axis) return axes;
  const int64_t given = normalize_axis(*o.class_axis, output->type.shape.size());
  std::erase_if(axes,
                [&](size_t axis) { return static_cast<int64_t>(axis + batch_axes) != given; });
  return axes;
}

size_t class_axis(const FinetuneOptions& o, Value output, const Shape& sample,
                  const Samples& samples) {
  const Shape targets = samples.sample_shape(o.targets);
  const std::vector<size_t> axes = class_axes(o, output, sample, targets);
  if (axes.size() == 1) return axes[0];
  const std::string shapes = fmt::format("one sample of them is {}, of '{}' {}", to_string(targets),
                                         output->name, to_string(sample));
  if (axes.empty()) {
    fail(place_of_targets(o, samples), shapes,
         o.class_axis ? "the same without --class-axis is wanted"
                      : "the output's shape without its axis of classes is wanted");
  }
  fail(place_of_targets(o, samples), shapes + ": several axes could count the classes",
       "say which by --class-axis");
}

void require_classes(const FinetuneOptions& o, const Samples& samples, int64_t classes) {
  const Tensor& targets = samples.tensor(o.targets);
  const auto numbers = targets.as<int32_t>();
  const int64_t per_sample = targets.size() / samples.count();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] >= 0 && numbers[i] < classes) continue;
    fail(place_of_targets(o, samples),
         fmt::format("sample {} has class {}, the output has classes 0 to {}",
                     static_cast<int64_t>(i) / per_sample, numbers[i], classes - 1));
  }
}

LossShape fit_cross_entropy(const FinetuneOptions& o, Value output, const Shape& sample,
                            LossShape shape, Samples& samples) {
  const DType given = samples.tensor(o.targets).dtype();
  if (!is_integer(given)) {
    fail(place_of_targets(o, samples),
         fmt::format("they are {}, cross_entropy takes the numbers of classes", name(given)),
         "give integers, or --loss mse");
  }
  const size_t axis = class_axis(o, output, sample, samples);
  shape.outer = shape.batch;
  for (size_t i = 0; i < axis; ++i) shape.outer *= sample[i];
  shape.classes = sample[axis];
  for (size_t i = axis + 1; i < sample.size(); ++i) shape.inner *= sample[i];
  samples.to_int32(o.targets);
  require_classes(o, samples, shape.classes);
  return shape;
}

LossShape fit_mean_square(const FinetuneOptions& o, Value output, const Shape& sample,
                          LossShape shape, Samples& samples) {
  const DType given = samples.tensor(o.targets).dtype();
  if (!is_float(given)) {
    fail(place_of_targets(o, samples), fmt::format("they are {}, mse takes floats", name(given)));
  }
  const Shape targets = samples.sample_shape(o.targets);
  if (targets != sample) {
    fail(place_of_targets(o, samples),
         fmt::format("one sample of them is {}, of '{}' {}", to_string(targets), output->name,
                     to_string(sample)),
         "mse takes targets of the output's shape");
  }
  shape.outer = shape.batch * element_count(sample);
  samples.convert(o.targets, DType::kFp32);
  return shape;
}

Value cross_entropy(Builder& b, Value output, const LossShape& s) {
  const Value targets = b.input("targets", DType::kInt32, {s.targets()});
  const Value rows = b.transpose(b.reshape(output, {s.outer, s.classes, s.inner}), {1, 0, 2});
  const Value logits = b.reshape(rows, {1, s.classes, 1, s.targets()});
  return b.ops("anemone.cross_entropy", {{"logits", logits}, {"targets", targets}})[0];
}

Value mean_square(Builder& b, Value output, const LossShape& s) {
  const Value targets = b.input("targets", DType::kFp32, {s.targets()});
  const Value difference = b.sub(b.reshape(output, {s.targets()}), targets);
  return b.reduce("reduce_mean", b.unary("square", difference), {0}, /*keep_dims=*/true);
}

}  // namespace

LossShape fit_loss(const FinetuneOptions& o, Value output, int64_t batch, Samples& samples) {
  const Shape sample = sample_shape(output, batch);
  LossShape shape{o.loss, batch};
  return o.loss == LossKind::kCrossEntropy ? fit_cross_entropy(o, output, sample, shape, samples)
                                           : fit_mean_square(o, output, sample, shape, samples);
}

void append_loss(Function& function, const LossShape& shape) {
  const Value output = function.outputs.at(0);
  function.outputs.clear();
  Builder builder(function);
  builder.output("loss", shape.kind == LossKind::kCrossEntropy
                             ? cross_entropy(builder, output, shape)
                             : mean_square(builder, output, shape));
}

void LossSum::add_cross_entropy(const TensorView& output, const TensorView& targets,
                                int64_t outer) {
  const auto numbers = output.as<float>();
  const auto classes = targets.as<int32_t>();
  for (int64_t column = 0; column < outer * shape_.inner; ++column) {
    const int64_t first =
        column / shape_.inner * shape_.classes * shape_.inner + column % shape_.inner;
    const auto at = [&](int64_t c) {
      return double{numbers[static_cast<size_t>(first + c * shape_.inner)]};
    };
    int64_t best = 0;
    for (int64_t c = 1; c < shape_.classes; ++c) best = at(c) > at(best) ? c : best;
    double sum = 0;
    for (int64_t c = 0; c < shape_.classes; ++c) sum += std::exp(at(c) - at(best));
    const int32_t wanted = classes[static_cast<size_t>(column)];
    sum_ += at(best) + std::log(sum) - at(wanted);
    correct_ += best == wanted;
    ++count_;
  }
}

void LossSum::add(const TensorView& output, const TensorView& targets, int64_t samples) {
  const int64_t outer = shape_.outer / shape_.batch * samples;
  if (shape_.kind == LossKind::kCrossEntropy) return add_cross_entropy(output, targets, outer);
  for (int64_t i = 0; i < outer; ++i) {
    const auto at = static_cast<size_t>(i);
    const double difference = double{output.as<float>()[at]} - targets.as<float>()[at];
    sum_ += difference * difference;
  }
  count_ += outer;
}

std::optional<double> LossSum::accuracy() const {
  if (shape_.kind != LossKind::kCrossEntropy) return std::nullopt;
  return static_cast<double>(correct_) / static_cast<double>(count_);
}

}  // namespace anemone
