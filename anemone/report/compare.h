// Two results of the same benchmark: what got slower by more than the measurements vary.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/result.h"

namespace anemone {

struct RowChange {
  std::string label;
  std::string metric;  // "ms", or a ratio such as "peak_share"
  double before = 0, after = 0;
  double noise = 0;  // relative: half of p10 to p90 of either, at least the tolerance
  double change() const { return after / before - 1; }
  bool worse = false, better = false;  // beyond the noise
};

struct Comparison {
  std::vector<RowChange> rows;
  std::vector<std::string> only_before, only_after;  // rows that the other has not got
  bool worse() const;
};

// Rows are matched by what they say before their times. Times that are lower are better; shares
// (fields ending in `_share`) that are higher are. `tolerance`: the least relative change that
// counts. Throws Error where benchmark or device differ, or no row is in both.
Comparison compare(const BenchResult& before, const BenchResult& after, double tolerance);

std::string to_text(const Comparison& comparison);

}  // namespace anemone
