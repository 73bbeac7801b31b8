// The model of fit.h with some of its extensions, and its parameters for a set of observations.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/fit.h"

namespace anemone {

// A criterion as large as this: more parameters than the observations can tell.
inline constexpr double kNotEnoughData = 1e300;

// Which terms a model has. `knees`: total bytes where a bandwidth ends, ascending.
struct ModelShape {
  bool peak = true, layer = false, power_of_two = false, activations = false, starts = false;
  std::vector<double> knees;

  std::string name() const;
  // Free numbers, places of the knees and the size of the residuals included.
  int parameters() const;
  // 0 up to the first knee, and so on.
  size_t level_of(double total_bytes) const;
};

enum class Roof : uint8_t { kFlops, kBytes, kActivations };

struct ModelParameters {
  double dispatch_ms = 0, layer_ms = 0;
  double peak = 0;                // flops a millisecond; infinite where the shape has none
  std::vector<double> bandwidth;  // bytes a millisecond, one more than there are knees
  std::vector<double> start_ms;   // as many; the first is 0
  double power_of_two = 1;
  double activations = 0;  // bytes a millisecond; infinite where the shape has none

  double predict_ms(const Observation& observation, const ModelShape& shape) const;
  // What bounds a layer of the observation.
  Roof roof(const Observation& observation, const ModelShape& shape) const;
  // What the observation would take without arithmetic and memory.
  double fixed_ms(const Observation& observation, const ModelShape& shape) const;
};

struct FittedModel {
  ModelShape shape;
  ModelParameters parameters;
  double criterion = 0;
  std::vector<double> residuals;  // log(measured / predicted), in the order of the observations
};

// Least squares of the logarithms, with times replaced by `ms` where it is given.
FittedModel fit_model(const std::vector<Observation>& observations, const ModelShape& shape,
                      const std::vector<double>& ms = {});

// The best places for as many knees as `shape` has, among those that leave three observations
// between each other and at either end. Empty where there are none.
std::vector<FittedModel> fit_knees(const std::vector<Observation>& observations,
                                   const ModelShape& shape, size_t knees);

}  // namespace anemone
