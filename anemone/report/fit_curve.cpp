#include "anemone/report/fit_curve.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "anemone/report/fit_model.h"

namespace anemone {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr int kBetween = 12;

double between(double a, double b, double share) {
  return a > 0 && b > 0 ? a * std::pow(b / a, share) : a + share * (b - a);
}

// Sizes are powers of each other, so that what lies between is even in their logarithms.
Observation between(const Observation& a, const Observation& b, double share) {
  Observation o;
  o.depth = between(a.depth, b.depth, share);
  o.flops = between(a.flops, b.flops, share);
  o.bytes = between(a.bytes, b.bytes, share);
  o.activation_bytes = between(a.activation_bytes, b.activation_bytes, share);
  return o;
}

long rounded(double value) { return std::lround(1e3 * std::log(std::max(value, 1e-300))); }

// What the observations of a curve have in common.
using Kind = std::pair<long, long>;

template <typename KindOf>
std::vector<std::vector<Observation>> curves_of(const std::vector<Observation>& observations,
                                                KindOf kind_of) {
  std::map<Kind, std::vector<Observation>> kinds;
  for (const Observation& o : observations) kinds[kind_of(o)].push_back(o);
  std::vector<std::vector<Observation>> curves;
  for (auto& [kind, members] : kinds) {
    if (members.size() < 2) continue;
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
      return a.depth * a.flops < b.depth * b.flops;
    });
    curves.emplace_back();
    for (size_t i = 0; i + 1 < members.size(); ++i) {
      for (int step = 0; step < kBetween; ++step) {
        const double share = static_cast<double>(step) / kBetween;
        curves.back().push_back(step == 0 ? members[i]
                                          : between(members[i], members[i + 1], share));
      }
    }
    curves.back().push_back(members.back());
  }
  return curves;
}

}  // namespace

double expected_ms(const Fit& fit, const Observation& observation) {
  ModelShape shape;
  shape.power_of_two = fit.power_of_two.has_value();
  shape.activations = fit.activations_gbs.has_value();
  ModelParameters p;
  p.dispatch_ms = fit.dispatch_ms.value;
  p.layer_ms = fit.layer_ms.value;
  p.peak = fit.peak_tflops.value * 1e9;
  p.bandwidth = {fit.bandwidth_gbs.value * 1e6};
  p.start_ms = {0};
  for (const Capacity& capacity : fit.capacities) {
    shape.knees.push_back(capacity.mb * kMiB);
    p.bandwidth.push_back(capacity.beyond_gbs.value * 1e6);
    p.start_ms.push_back(capacity.start_ms);
  }
  p.power_of_two = fit.power_of_two ? fit.power_of_two->value : 1;
  p.activations = fit.activations_gbs ? fit.activations_gbs->value * 1e6 : HUGE_VAL;
  return p.predict_ms(observation, shape);
}

std::vector<std::vector<Observation>> curves_through(const std::vector<Observation>& observations) {
  const bool chains = std::any_of(observations.begin(), observations.end(),
                                  [](const Observation& o) { return o.depth > 1; });
  if (!chains) {
    return curves_of(observations, [](const Observation& o) {
      return Kind(rounded(o.flops / o.bytes), rounded(o.depth));  // of one width
    });
  }
  auto curves = curves_of(observations, [](const Observation& o) {
    return Kind(rounded(o.flops), rounded(o.bytes));  // deeper and deeper
  });
  for (auto& curve : curves_of(observations, [](const Observation& o) {
         return Kind(rounded(o.depth), rounded(o.bytes));  // wider and wider
       })) {
    curves.push_back(std::move(curve));
  }
  return curves;
}

}  // namespace anemone
