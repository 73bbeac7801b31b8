// A fit as a function again: what it expects of sizes that nobody measured.
#pragma once

#include <vector>

#include "anemone/report/fit.h"

namespace anemone {

double expected_ms(const Fit& fit, const Observation& observation);

// Observations that differ only in depth, only in width, or only in channels, smallest first, with
// others in between that continue their sizes.
std::vector<std::vector<Observation>> curves_through(const std::vector<Observation>& observations);

}  // namespace anemone
