// Memory that a thread keeps for its next product.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>

namespace anemone {

class KeptMemory {
 public:
  // At least `count` of them, aligned for vectors. What was there before is lost where it grows.
  float* floats(size_t count) {
    if (size_ < count) {
      size_ = (count + 1023) / 1024 * 1024;
      memory_.reset(static_cast<float*>(std::aligned_alloc(64, size_ * sizeof(float))));
      if (!memory_) throw std::bad_alloc();
    }
    return memory_.get();
  }

 private:
  std::unique_ptr<float[], void (*)(void*)> memory_{nullptr, std::free};
  size_t size_ = 0;
};

}  // namespace anemone
