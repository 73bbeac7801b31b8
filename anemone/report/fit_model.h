// The model of fit.h with some of its extensions, and its parameters for a set of observations.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/fit.h"

namespace anemone {

// Which extensions a model has. `knees`: total bytes where a bandwidth ends, ascending.
struct ModelShape {
  bool layer = false, power_of_two = false;
  std::vector<double> knees;

  std::string name() const;
  // Free numbers, places of the knees and the size of the residuals included.
  int parameters() const;
};

struct ModelParameters {
  double dispatch_ms = 0, layer_ms = 0;
  double peak = 0;                // flops a millisecond
  std::vector<double> bandwidth;  // bytes a millisecond, one more than there are knees
  double power_of_two = 1;

  double predict_ms(const Observation& observation, const ModelShape& shape) const;
  // What bounds a layer of the observation.
  bool bound_by_bytes(const Observation& observation, const ModelShape& shape) const;
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
