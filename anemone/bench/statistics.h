// Order statistics of measured times.
#pragma once

#include <vector>

namespace anemone {

struct Summary {
  double median = 0, p10 = 0, p90 = 0;
  int n = 0;
};

// The value below which `share` of the samples lie, interpolated between neighbours (type 7 of
// Hyndman and Fan, what NumPy gives). `sorted` ascends and is not empty.
double quantile(const std::vector<double>& sorted, double share);

// `samples` is not empty; in any order.
Summary summarize(std::vector<double> samples);

}  // namespace anemone
