#include "anemone/bench/statistics.h"

#include <algorithm>
#include <cmath>

#include "anemone/base/error.h"

namespace anemone {

double quantile(const std::vector<double>& sorted, double share) {
  ANEMONE_CHECK(!sorted.empty());
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - std::floor(at)) * (sorted[high] - sorted[low]);
}

Summary summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {quantile(samples, 0.5), quantile(samples, 0.1), quantile(samples, 0.9),
          static_cast<int>(samples.size())};
}

}  // namespace anemone
