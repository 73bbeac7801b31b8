#include "anemone/report/fit_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anemone/report/minimize.h"

namespace anemone {
namespace {

// Deviations smaller than this are taken for the measurement's own.
constexpr double kNoise = 0.02;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// --- parameters as a vector of logarithms, all that the shape has ---

ModelParameters unpack(const std::vector<double>& x, const ModelShape& shape) {
  size_t i = 0;
  const auto next = [&] { return std::exp(x[i++]); };
  ModelParameters p;
  p.dispatch_ms = next();
  p.peak = shape.peak ? next() : kInfinite;
  p.bandwidth.push_back(next());
  p.start_ms.push_back(0);
  for (size_t knee = 0; knee < shape.knees.size(); ++knee) {
    p.bandwidth.push_back(next());
    p.start_ms.push_back(shape.starts ? next() : 0);
  }
  if (shape.layer) p.layer_ms = next();
  if (shape.power_of_two) p.power_of_two = 1 + next();
  p.activations = shape.activations ? next() : kInfinite;
  return p;
}

std::vector<double> starting_point(const std::vector<Observation>& observations,
                                   const ModelShape& shape) {
  double least = 1e300, rate = 0, bandwidth = 0, activations = 0;
  for (const Observation& o : observations) {
    least = std::min(least, o.ms);
    rate = std::max(rate, o.depth * o.flops / o.ms);
    bandwidth = std::max(bandwidth, o.total_bytes() / o.ms);
    activations = std::max(activations, o.depth * o.activation_bytes / o.ms);
  }
  std::vector<double> x = {std::log(0.7 * least)};
  if (shape.peak) x.push_back(std::log(1.3 * std::max(rate, 1.0)));
  x.push_back(std::log(1.3 * bandwidth));
  for (size_t knee = 0; knee < shape.knees.size(); ++knee) {
    x.push_back(std::log(1.3 * bandwidth) - 1 - static_cast<double>(knee));
    if (shape.starts) x.push_back(std::log(0.1 * least));
  }
  if (shape.layer) x.push_back(std::log(0.05 * least));
  if (shape.power_of_two) x.push_back(0);
  if (shape.activations) x.push_back(std::log(std::max(activations, 1.0)));
  return x;
}

// Parameters that nothing depends on must not drift away; this weighs less than any residual.
double leash(const std::vector<double>& x, const std::vector<double>& start) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::pow((x[i] - start[i]) / 8, 4);
  return 1e-5 * sum;
}

std::vector<double> residuals_of(const std::vector<Observation>& observations,
                                 const std::vector<double>& ms, const ModelParameters& parameters,
                                 const ModelShape& shape) {
  std::vector<double> residuals;
  for (size_t i = 0; i < observations.size(); ++i) {
    residuals.push_back(std::log(ms[i] / parameters.predict_ms(observations[i], shape)));
  }
  return residuals;
}

double sum_of_squares(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

double corrected_akaike(double squares, size_t observations, int parameters) {
  const auto n = static_cast<double>(observations), k = static_cast<double>(parameters);
  if (n - k - 1 <= 0) return kNotEnoughData;
  return n * std::log(squares / n + kNoise * kNoise) + 2 * k + 2 * k * (k + 1) / (n - k - 1);
}

// Between each two neighbouring sizes, the middle of their logarithms.
std::vector<double> places_between(const std::vector<Observation>& observations) {
  std::vector<double> sizes;
  for (const Observation& o : observations) sizes.push_back(o.total_bytes());
  std::sort(sizes.begin(), sizes.end());
  std::vector<double> places;
  for (size_t i = 2; i + 3 < sizes.size(); ++i) {
    if (sizes[i] < sizes[i + 1]) places.push_back(std::sqrt(sizes[i] * sizes[i + 1]));
  }
  return places;
}

// A capacity is one only where what lies beyond it is slower, or at least begins later.
bool slows_down(const FittedModel& model) {
  const std::vector<double>& b = model.parameters.bandwidth;
  const double allowed = model.shape.starts ? 1.1 : 1;
  for (size_t level = 1; level < b.size(); ++level) {
    if (b[level] > allowed * b[level - 1]) return false;
  }
  return true;
}

}  // namespace

std::string ModelShape::name() const {
  std::string text;
  const auto add = [&](const char* term) {
    text += text.empty() ? term : fmt::format(" + {}", term);
  };
  if (!knees.empty()) add(knees.size() == 1 ? "capacity" : "two capacities");
  if (starts) add("start");
  if (power_of_two) add("powers of two");
  if (activations) add("activations");
  return text.empty() ? "plain" : text;
}

int ModelShape::parameters() const {
  const int a_knee = starts ? 3 : 2;
  return 3 + (peak ? 1 : 0) + (layer ? 1 : 0) + (power_of_two ? 1 : 0) + (activations ? 1 : 0) +
         a_knee * static_cast<int>(knees.size());
}

size_t ModelShape::level_of(double total_bytes) const {
  size_t level = 0;
  while (level < knees.size() && total_bytes > knees[level]) ++level;
  return level;
}

namespace {

// The time of a layer by each roof.
struct Roofs {
  double flops, bytes, activations;
};

Roofs roofs_of(const ModelParameters& p, const Observation& o, const ModelShape& shape) {
  const double bytes = o.bytes / p.bandwidth[shape.level_of(o.total_bytes())];
  return {o.flops / p.peak, o.power_of_two ? p.power_of_two * bytes : bytes,
          o.activation_bytes / p.activations};
}

}  // namespace

Roof ModelParameters::roof(const Observation& o, const ModelShape& shape) const {
  const Roofs roofs = roofs_of(*this, o, shape);
  if (roofs.activations > std::max(roofs.flops, roofs.bytes)) return Roof::kActivations;
  return roofs.bytes > roofs.flops ? Roof::kBytes : Roof::kFlops;
}

double ModelParameters::fixed_ms(const Observation& o, const ModelShape& shape) const {
  return dispatch_ms + start_ms[shape.level_of(o.total_bytes())] + o.depth * layer_ms;
}

double ModelParameters::predict_ms(const Observation& o, const ModelShape& shape) const {
  const Roofs roofs = roofs_of(*this, o, shape);
  return fixed_ms(o, shape) + o.depth * std::max({roofs.flops, roofs.bytes, roofs.activations});
}

FittedModel fit_model(const std::vector<Observation>& observations, const ModelShape& shape,
                      const std::vector<double>& given) {
  std::vector<double> ms = given;
  if (ms.empty()) {
    for (const Observation& o : observations) ms.push_back(o.ms);
  }
  const std::vector<double> start = starting_point(observations, shape);
  const auto error = [&](const std::vector<double>& x) {
    return sum_of_squares(residuals_of(observations, ms, unpack(x, shape), shape)) +
           leash(x, start);
  };
  const Minimum best = minimize(error, start, 0.7);
  FittedModel model{shape, unpack(best.at, shape), 0, {}};
  model.residuals = residuals_of(observations, ms, model.parameters, shape);
  model.criterion =
      corrected_akaike(sum_of_squares(model.residuals), observations.size(), shape.parameters());
  return model;
}

std::vector<FittedModel> fit_knees(const std::vector<Observation>& observations,
                                   const ModelShape& shape, size_t knees) {
  const std::vector<double> places = places_between(observations);
  std::vector<FittedModel> models;
  const auto consider = [&](std::vector<double> at) {
    ModelShape with = shape;
    with.knees = std::move(at);
    FittedModel model = fit_model(observations, with);
    if (slows_down(model)) models.push_back(std::move(model));
  };
  for (size_t i = 0; i < places.size(); ++i) {
    if (knees == 1) consider({places[i]});
    for (size_t j = i + 3; knees == 2 && j < places.size(); ++j) consider({places[i], places[j]});
  }
  std::stable_sort(models.begin(), models.end(), [](const FittedModel& a, const FittedModel& b) {
    return a.criterion < b.criterion;
  });
  return models;
}

}  // namespace anemone
