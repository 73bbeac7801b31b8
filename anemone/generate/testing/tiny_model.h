// For tests of generation: a model of twelve tokens, and what it says.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/generate/generator.h"

namespace anemone::generate_testing {

constexpr int64_t kCapacity = 14;
const std::vector<int> kPrompt = {1}, kNoStops = {};
const std::vector<int> kTokens = {1, 7, 7, 0, 11, 3, 9, 2, 4, 4, 10, 6, 5, 8};

// A tiny grouped-query model on the CPU.
struct Model {
  explicit Model(bool tied = true);

  ParameterLookup values() {
    return [this](const std::string& name) { return buffers.at(name).get(); };
  }
  Generator generator(int64_t capacity = kCapacity, DType stored = DType::kFp32) {
    return Generator(*device, config, capacity, values(), stored);
  }
  // Rounds every matrix to bf16, or to multiples of 1/127 of the largest number of each row. Keeps
  // it so, with its scales, or in fp32.
  void round_to(DType dtype, bool keep);
  // [V, T] for kTokens at once.
  Tensor whole_sequence_logits();

  ThreadPool pool{2};
  std::unique_ptr<Device> device = make_cpu_device(pool);
  TransformerConfig config;
  std::map<std::string, std::unique_ptr<Buffer>> buffers;

 private:
  std::unique_ptr<Buffer> buffer_of(const Tensor& numbers, DType dtype);
};

// Greedy continuation of {1} by feeding one id after another.
std::vector<int> greedy_by_hand(Model& model, size_t count);

}  // namespace anemone::generate_testing
