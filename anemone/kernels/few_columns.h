// Products with a few columns, such as the next tokens of a text: each number of A is needed a few
// times only, so that the product is as fast as A is read.
#pragma once

#include "anemone/kernels/gemm.h"

namespace anemone {

// Whether few_columns_gemm() computes it.
bool has_few_columns(const Gemm& g);

// Sums depend neither on the number of threads nor on what other columns there are. Allocates
// nothing once the calling thread has multiplied matrices as large before.
void few_columns_gemm(const Gemm& g);
void few_columns_gemm(ThreadPool& pool, const Gemm& g);

}  // namespace anemone
