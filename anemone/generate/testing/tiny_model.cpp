#include "anemone/generate/testing/tiny_model.h"

#include <algorithm>
#include <cmath>

#include "anemone/checkpoint/test_weights.h"
#include "anemone/passes/passes.h"

namespace anemone::generate_testing {
namespace {

// Whole numbers of -127 to 127; returns what they are multiples of.
Tensor to_multiples(Tensor& numbers) {
  const int64_t rows = numbers.shape()[0], columns = numbers.size() / rows;
  Tensor scales(DType::kFp32, {rows});
  for (int64_t row = 0; row < rows; ++row) {
    double largest = 0;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      largest = std::max(largest, std::abs(numbers.at(i)));
    }
    scales.view().set(row, largest / 127);
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      numbers.view().set(i, std::nearbyint(numbers.at(i) / scales.at(row)));
    }
  }
  return scales;
}

void scale_rows(Tensor& numbers, const Tensor& scales) {
  const int64_t columns = numbers.size() / scales.size();
  for (int64_t i = 0; i < numbers.size(); ++i) {
    numbers.view().set(i, numbers.at(i) * scales.at(i / columns));
  }
}

}  // namespace

Model::Model(bool tied) {
  ModelWeights weights = tiny_weights(tied);
  config = weights.config;
  config.max_sequence = 16;
  for (const auto& [name, tensor] : weights.tensors) {
    for (float& value : tensor.as<float>()) value *= 0.4f;
    buffers[name] = buffer_of(tensor, DType::kFp32);
  }
}

std::unique_ptr<Buffer> Model::buffer_of(const Tensor& numbers, DType dtype) {
  auto buffer = device->allocate(Type::tensor(dtype, numbers.shape()));
  buffer->write(numbers);
  return buffer;
}

void Model::round_to(DType dtype, bool keep) {
  std::map<std::string, std::unique_ptr<Buffer>> scales;
  for (auto& [name, buffer] : buffers) {
    if (buffer->type().shape.size() < 2) continue;
    Tensor numbers(DType::kFp32, buffer->type().shape);
    buffer->read(numbers);
    if (dtype == DType::kInt8) {
      const Tensor scale = to_multiples(numbers);
      if (keep) scales[scale_parameter(name)] = buffer_of(scale, DType::kFp32);
      if (!keep) scale_rows(numbers, scale);
    } else {
      numbers = numbers.cast(dtype);
    }
    buffer = buffer_of(numbers, keep ? dtype : DType::kFp32);
  }
  buffers.merge(scales);
}

Tensor Model::whole_sequence_logits() {
  const auto length = static_cast<int64_t>(kTokens.size());
  ForwardProgram program(*device, training_chain(config, 1, length, OutputHead::kLogits), values());
  program.side("tokens")->write(
      Tensor::of<int32_t>({length}, std::vector<int32_t>(kTokens.begin(), kTokens.end())));
  program.run();
  Tensor logits(DType::kFp32, {1, config.vocab_size, 1, length});
  program.output().read(logits);
  return logits;
}

std::vector<int> greedy_by_hand(Model& model, size_t count) {
  Generator generator = model.generator();
  std::vector<int> ids;
  int token = 1;
  while (ids.size() < count) {
    const std::span<const float> logits = generator.feed(token);
    token = static_cast<int>(std::ranges::max_element(logits) - logits.begin());
    ids.push_back(token);
  }
  return ids;
}

}  // namespace anemone::generate_testing
