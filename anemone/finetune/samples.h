// Samples to train on: named tensors whose first axis counts the samples.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "anemone/base/random.h"
#include "anemone/tensor/tensor.h"

namespace anemone {

class Samples {
 public:
  // `path`: where they are from, for messages.
  Samples(std::string path, std::map<std::string, Tensor> tensors);

  const std::string& path() const { return path_; }
  int64_t count() const { return count_; }

  // Keeps these tensors only. Throws Error where one is missing, has no axis of samples, or where
  // their numbers of samples differ; or are none.
  void keep(const std::vector<std::string>& names);
  const Tensor& tensor(const std::string& name) const;
  // The shape of one sample.
  Shape sample_shape(const std::string& name) const;
  // Throws Error where samples have another shape.
  void require_shape(const std::string& name, const Shape& shape) const;

  // Turns a tensor into this element type, as `anemone run` does. Throws Error for what is not
  // converted: a float for an integer, an integer for a float, an integer beyond the type; and for
  // NaN, naming the sample.
  void convert(const std::string& name, DType dtype);
  // Turns integers of any type into int32; one beyond it becomes the nearest that is.
  void to_int32(const std::string& name);

  // Copies the samples with these numbers one after the other.
  void gather(const std::string& name, std::span<const int64_t> numbers,
              const TensorView& to) const;

 private:
  std::string place(const std::string& name) const;
  void require_numbers(const std::string& name) const;

  std::string path_;
  std::map<std::string, Tensor> tensors_;
  int64_t count_ = 0;
};

// The order in which training sees samples: each once an epoch, shuffled anew.
class SampleOrder {
 public:
  SampleOrder(int64_t count, uint64_t seed);

  // The next `numbers.size()`, going on into the next epoch where this one ends.
  void next(std::span<int64_t> numbers);

 private:
  void shuffle();

  std::vector<int64_t> order_;
  size_t position_ = 0;
  Random random_;
};

}  // namespace anemone
