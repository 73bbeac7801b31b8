#include "anemone/finetune/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "anemone/ops/verify.h"
#include "anemone/passes/rebatch.h"
#include "anemone/passes/specialize_shapes.h"

namespace anemone {
namespace {

bool fits(const Shape& declared, const Shape& shape) {
  return declared.size() == shape.size() &&
         std::equal(declared.begin(), declared.end(), shape.begin(),
                    [](int64_t own, int64_t size) { return own == kUnknownSize || own == size; });
}

Shape with_first(int64_t first, Shape rest) {
  rest.insert(rest.begin(), first);
  return rest;
}

// An input beside the samples for it.
struct SampledInput {
  Value input;
  Shape sample;
  bool whole = false;  // a sample is all of the input, which has no axis of samples

  // Its first size: the samples of a run; kUnknownSize where it is open.
  int64_t first() const { return whole ? 1 : input->type.shape[0]; }
  Shape shape(int64_t batch) const { return whole ? sample : with_first(batch, sample); }
};

SampledInput match(Value input, const Samples& samples) {
  SampledInput result{input, samples.sample_shape(input->name)};
  const Shape& declared = input->type.shape;
  const bool has_axis = !declared.empty();
  if (has_axis && fits(declared, with_first(declared[0], result.sample))) return result;
  result.whole = fits(declared, result.sample);
  if (result.whole) return result;
  fail(fmt::format("{}: tensor '{}'", samples.path(), input->name),
       fmt::format("one sample is {}, the program takes {}", to_string(result.sample),
                   to_string(input->type)),
       "a sample has the sizes of the input without its first one");
}

// The samples that a run takes as the program stands; kUnknownSize where that is open.
int64_t own_batch(const std::vector<SampledInput>& inputs) {
  int64_t batch = kUnknownSize;
  for (const SampledInput& each : inputs) {
    const int64_t first = each.first();
    if (first == kUnknownSize) continue;
    if (batch != kUnknownSize && first != batch) {
      fail("input '" + each.input->name + "'",
           fmt::format("a run takes {} samples of it and {} of another input", first, batch),
           "the first size of every input counts samples");
    }
    batch = first;
  }
  return batch;
}

void give_batch(Function& function, const std::vector<SampledInput>& inputs, int64_t batch) {
  InputShapes shapes;
  for (const SampledInput& each : inputs) {
    const Value input = function.find(each.input->name);
    input->type.shape = each.shape(batch);
    shapes[input->name] = input->type.shape;
  }
  specialize_shapes(function, shapes);
}

// The same function, of runs of `own` samples, for another number of them; none where its
// operations do not allow it.
std::optional<Function> with_batch(const Function& function,
                                   const std::vector<SampledInput>& inputs, int64_t own,
                                   int64_t batch) {
  Function other = function.clone();
  rebatch_reshapes(other, own, batch);
  try {
    give_batch(other, inputs, batch);
  } catch (const Error&) {
    return std::nullopt;
  }
  const Shape& output = other.outputs[0]->type.shape;
  const bool counts = !output.empty() && output[0] == batch && verify(other).empty();
  return counts ? std::optional<Function>(std::move(other)) : std::nullopt;
}

// The outputs of `count` samples, numbers[i] each, in as many runs as that takes.
std::vector<float> outputs_for(Function& function, const Samples& samples,
                               std::span<const int64_t> numbers, Device& host) {
  const auto program = host.compile(function);
  std::vector<std::unique_ptr<Buffer>> buffers;
  const auto bindings = [&](const auto& ports) {
    std::vector<Binding> bound;
    for (const auto& [name, type] : ports) {
      buffers.push_back(host.allocate(type));
      bound.push_back({name, buffers.back().get()});
    }
    return bound;
  };
  const auto inputs = bindings(program->inputs()), outputs = bindings(program->outputs());
  const auto request = program->bind(inputs, outputs);
  std::vector<float> result;
  const auto batch = static_cast<size_t>(function.outputs[0]->type.shape[0]);
  for (size_t begin = 0; begin < numbers.size(); begin += batch) {
    for (const Binding& input : inputs) {
      const Tensor tensor(input.buffer->type().dtype, input.buffer->type().shape);
      samples.gather(std::string(input.name), numbers.subspan(begin, batch), tensor);
      input.buffer->write(tensor);
    }
    request->run();
    const Tensor output(DType::kFp32, outputs[0].buffer->type().shape);
    outputs[0].buffer->read(output);
    result.insert(result.end(), output.as<float>().begin(), output.as<float>().end());
  }
  return result;
}

// Whether larger runs keep samples apart. Shapes alone do not tell: attention over rows that were
// the positions of one sample works on those of all as well.
bool computes_the_same(Function& small, Function& large, int64_t batch, int64_t wanted,
                       const Samples& samples, Device& host) {
  std::vector<int64_t> numbers(static_cast<size_t>(std::lcm(batch, wanted)));
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<int64_t>(i) % samples.count();
  }
  const auto a = outputs_for(small, samples, numbers, host);
  const auto b = outputs_for(large, samples, numbers, host);
  if (a.size() != b.size()) return false;
  double largest = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double{a[i]}));
    difference = std::max(difference, std::abs(double{a[i]} - b[i]));
  }
  constexpr double kRounding = 1e-3;
  return difference <= kRounding * largest;
}

}  // namespace

int64_t decide_batch(Function& function, Samples& samples, int64_t wanted, Device& host) {
  std::vector<SampledInput> inputs;
  bool any_whole = false;
  for (Value input : function.inputs) {
    inputs.push_back(match(input, samples));
    any_whole = any_whole || inputs.back().whole;
    samples.convert(input->name, input->type.dtype);
  }
  const int64_t own = own_batch(inputs);
  const int64_t batch = own == kUnknownSize ? wanted : own;
  give_batch(function, inputs, batch);
  if (batch == wanted) return wanted;
  if (!any_whole) {
    std::optional<Function> large = with_batch(function, inputs, batch, wanted);
    if (large && computes_the_same(function, *large, batch, wanted, samples, host)) {
      function = std::move(*large);
      return wanted;
    }
  }
  if (wanted % batch != 0) {
    fail("--batch",
         fmt::format("{} is no multiple of the {} samples that a run of '{}' takes", wanted, batch,
                     function.name),
         fmt::format("{} or {}", std::max(batch, wanted / batch * batch),
                     (wanted / batch + 1) * batch));
  }
  return batch;
}

}  // namespace anemone
