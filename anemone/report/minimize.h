// The least value of a function of a few numbers, without derivatives.
#pragma once

#include <functional>
#include <vector>

namespace anemone {

struct Minimum {
  std::vector<double> at;
  double value = 0;
};

// Nelder and Mead's simplex (A simplex method for function minimization, 1965), started again
// where it stops until that gains nothing. `step` is the size of the first simplex in every
// direction. Deterministic.
Minimum minimize(const std::function<double(const std::vector<double>&)>& f,
                 std::vector<double> start, double step);

}  // namespace anemone
