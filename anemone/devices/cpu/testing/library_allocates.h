// For tests that count allocations.
#pragma once

#include <vector>

#include "anemone/kernels/gemm.h"
#include "anemone/testing/allocation_counter.h"

namespace anemone {

// Whether the packaged product asks for memory each time, as oneDNN's does where it has no kernels
// for the processor: not ours to avoid.
inline bool library_allocates() {
  constexpr int64_t kSize = 64;
  const std::vector<float> a(kSize * kSize, 1.0f);
  std::vector<float> c(kSize * kSize);
  const Gemm product{.m = kSize,
                     .n = kSize,
                     .k = kSize,
                     .a = a.data(),
                     .a_stride = kSize,
                     .b = a.data(),
                     .b_stride = kSize,
                     .c = c.data(),
                     .c_stride = kSize};
  gemm(product);
  const size_t before = allocations();
  gemm(product);
  return allocations() != before;
}

}  // namespace anemone
