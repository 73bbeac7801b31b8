#include "anemone/finetune/samples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "anemone/base/nearest_name.h"
#include "anemone/data/tensor_files.h"

namespace anemone {

Samples::Samples(std::string path, std::map<std::string, Tensor> tensors)
    : path_(std::move(path)), tensors_(std::move(tensors)) {}

std::string Samples::place(const std::string& name) const {
  return fmt::format("{}: tensor '{}'", path_, name);
}

const Tensor& Samples::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [known, tensor] : tensors_) names.push_back(known);
  const std::string near = suggest(name, names);
  fail(path_, fmt::format("it has no tensor '{}'", name),
       near.empty() ? fmt::format("it has {}", fmt::join(names, ", ")) : near);
}

void Samples::keep(const std::vector<std::string>& names) {
  std::map<std::string, Tensor> kept;
  for (const std::string& name : names) {
    const Shape& shape = tensor(name).shape();
    if (shape.empty()) fail(place(name), "it is one number", "its first axis counts the samples");
    if (kept.empty()) count_ = shape[0];
    if (shape[0] != count_) {
      fail(place(name), fmt::format("it has {} samples, '{}' has {}", shape[0], names[0], count_),
           "the first axis of every tensor counts the samples");
    }
    if (count_ == 0) fail(place(name), "it has no samples");
    kept.emplace(name, tensor(name).clone());
  }
  tensors_ = std::move(kept);
}

Shape Samples::sample_shape(const std::string& name) const {
  const Shape& shape = tensor(name).shape();
  return {shape.begin() + 1, shape.end()};
}

void Samples::require_shape(const std::string& name, const Shape& shape) const {
  if (sample_shape(name) == shape) return;
  fail(place(name), fmt::format("one sample is {}, of the samples to train on {}",
                                to_string(sample_shape(name)), to_string(shape)));
}

void Samples::require_numbers(const std::string& name) const {
  const Tensor& given = tensor(name);
  if (!is_float(given.dtype())) return;
  const int64_t each = given.size() / count_;
  for (int64_t i = 0; i < given.size(); ++i) {
    if (std::isnan(given.at(i))) fail(place(name), fmt::format("sample {} has a NaN", i / each));
  }
}

void Samples::convert(const std::string& name, DType dtype) {
  const Tensor& given = tensor(name);
  require_numbers(name);
  if (given.dtype() == dtype) return;
  if (!converts(given, dtype)) {
    fail(place(name), fmt::format("it is {}, the program takes {}", anemone::name(given.dtype()),
                                  anemone::name(dtype)));
  }
  tensors_[name] = given.cast(dtype);
}

void Samples::to_int32(const std::string& name) {
  const Tensor& given = tensor(name);
  Tensor narrow(DType::kInt32, given.shape());
  for (int64_t i = 0; i < given.size(); ++i) {
    narrow.view().set(i, std::clamp(given.at(i), -0x1p31, 0x1p31 - 1));
  }
  tensors_[name] = std::move(narrow);
}

void Samples::gather(const std::string& name, std::span<const int64_t> numbers,
                     const TensorView& to) const {
  const Tensor& from = tensor(name);
  ANEMONE_CHECK(from.dtype() == to.dtype);
  const size_t bytes = from.bytes() / static_cast<size_t>(count_);
  ANEMONE_CHECK(bytes * numbers.size() == to.bytes());
  auto* target = static_cast<std::byte*>(to.data);
  const auto* source = static_cast<const std::byte*>(from.data());
  for (const int64_t number : numbers) {
    if (bytes > 0) std::memcpy(target, source + static_cast<size_t>(number) * bytes, bytes);
    target += bytes;
  }
}

SampleOrder::SampleOrder(int64_t count, uint64_t seed)
    : order_(static_cast<size_t>(count)), random_(seed) {
  std::iota(order_.begin(), order_.end(), 0);
  shuffle();
}

// Fisher and Yates.
void SampleOrder::shuffle() {
  for (size_t left = order_.size(); left > 1; --left) {
    std::swap(order_[left - 1], order_[random_.below(left)]);
  }
  position_ = 0;
}

void SampleOrder::next(std::span<int64_t> numbers) {
  for (int64_t& number : numbers) {
    if (position_ == order_.size()) shuffle();
    number = order_[position_++];
  }
}

}  // namespace anemone
