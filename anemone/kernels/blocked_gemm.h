// Our own matrix product, for the shapes where the packaged one loses: docs/performance.md has
// both.
#pragma once

#include "anemone/kernels/gemm.h"
#include "anemone/kernels/tiles.h"

namespace anemone {

// Operands of any size. Sums do not depend on the number of threads. Allocates nothing once the
// calling threads have multiplied matrices as large before.
void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles);
// The same with one packed B for all threads, or one for every other. Where processors have no
// cache in common two threads pack all of B sooner than they fetch half of it from each other;
// where they have one, sharing is 1 to 2 % faster (docs/performance.md). By default that is
// measured.
void blocked_gemm(ThreadPool& pool, const Gemm& g, const Tiles& tiles, bool share_b);
// On the calling thread alone.
void blocked_gemm(const Gemm& g, const Tiles& tiles);

// Whether groups of panels of A pass B, so that `g.then` gets many rows at a time.
bool completes_many_rows(const Gemm& g, const Tiles& tiles);

// Whether there is enough work in it to pack operands.
bool is_worth_blocking(const Gemm& g);

}  // namespace anemone
