// What the processor could do at most, measured: the denominators of every share of a peak.
#pragma once

#include <cstddef>

#include "anemone/base/threads.h"

namespace anemone {

// Multiplications and additions of registers and nothing else, on all threads of the pool, for
// about `ms`: GFLOP/s in fp32, or by bf16 instructions (0 where there are none).
double peak_gflops(ThreadPool& pool, bool bf16, double ms);

// GB/s of one pass over `floats` numbers: read only, or read, changed and written back (8 bytes a
// number). `data` is not small enough for a cache.
double read_gbs(ThreadPool& pool, const float* data, size_t floats);
double update_gbs(ThreadPool& pool, float* data, size_t floats);

}  // namespace anemone
