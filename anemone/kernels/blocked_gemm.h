// Our own matrix product, for the shapes where the packaged one loses: docs/performance.md has
// both.
#pragma once

#include "anemone/kernels/gemm.h"
#include "anemone/kernels/tiles.h"

namespace anemone {

// Operands of any size. Sums do not depend on the number of threads. Allocates nothing once the
// calling threads have multiplied matrices as large before.
void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles);
// On the calling thread alone.
void blocked_gemm(const Gemm& g, const Tiles& tiles);

// Whether there is enough work in it to pack operands.
bool is_worth_blocking(const Gemm& g);

}  // namespace anemone
