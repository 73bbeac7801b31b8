#include "anemone/report/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "anemone/base/error.h"
#include "anemone/base/random.h"
#include "anemone/report/fit_model.h"

namespace anemone {
namespace {

constexpr size_t kLeast = 5;
constexpr int kBootstraps = 200;
constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kWidest = 2;  // high / low of an interval that determines anything
// A power of two from here on is known to be slow on engines that have been measured.
constexpr double kSuspectChannels = 4096;

// --- which model ---

std::vector<FittedModel> candidates(const std::vector<Observation>& observations) {
  std::set<double> depths;
  bool some = false, all = true;
  for (const Observation& o : observations) {
    depths.insert(o.depth);
    some = some || o.power_of_two;
    all = all && o.power_of_two;
  }
  ModelShape shape;
  shape.layer = depths.size() > 1;
  std::vector<FittedModel> models;
  for (const bool power_of_two : {false, true}) {
    if (power_of_two && (!some || all)) continue;
    shape.power_of_two = power_of_two;
    models.push_back(fit_model(observations, shape));
    for (const size_t knees : {1, 2}) {
      std::vector<FittedModel> found = fit_knees(observations, shape, knees);
      if (!found.empty()) models.push_back(std::move(found.front()));
    }
  }
  return models;
}

// The fewest parameters, unless more of them lower the criterion by enough.
const FittedModel& choose(const std::vector<FittedModel>& models) {
  std::vector<const FittedModel*> by_size;
  for (const FittedModel& model : models) by_size.push_back(&model);
  std::stable_sort(by_size.begin(), by_size.end(), [](const auto* a, const auto* b) {
    return a->shape.parameters() < b->shape.parameters();
  });
  const FittedModel* chosen = by_size.front();
  for (const FittedModel* model : by_size) {
    const double needed = model->shape.parameters() > chosen->shape.parameters() ? kEvidence : 0;
    if (model->criterion < chosen->criterion - needed) chosen = model;
  }
  return *chosen;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

std::vector<double> relative_errors(const std::vector<double>& residuals) {
  std::vector<double> errors;
  for (const double residual : residuals) errors.push_back(std::abs(std::expm1(residual)));
  return errors;
}

// --- how sure ---

// Parameters of the chosen shape when the residuals are dealt out anew.
std::vector<ModelParameters> bootstrap(const std::vector<Observation>& observations,
                                       const FittedModel& model) {
  Random random(1);
  std::vector<ModelParameters> result;
  for (int round = 0; round < kBootstraps; ++round) {
    std::vector<double> ms;
    for (const Observation& o : observations) {
      const double residual = model.residuals[random.below(model.residuals.size())];
      ms.push_back(model.parameters.predict_ms(o, model.shape) * std::exp(residual));
    }
    result.push_back(fit_model(observations, model.shape, ms).parameters);
  }
  return result;
}

template <typename Read>
Estimate estimate(const FittedModel& model, const std::vector<ModelParameters>& samples,
                  bool matters, Read read) {
  std::vector<double> values;
  for (const ModelParameters& sample : samples) values.push_back(read(sample));
  std::sort(values.begin(), values.end());
  const size_t edge = values.size() / 20;
  Estimate result{read(model.parameters), values[edge], values[values.size() - 1 - edge], false};
  result.determined = matters && result.high < kWidest * result.low;
  return result;
}

// Observations whose time is at least half bytes, or half arithmetic.
int count_bound(const std::vector<Observation>& observations, const FittedModel& model,
                bool by_bytes, size_t level) {
  int count = 0;
  for (const Observation& o : observations) {
    size_t at = 0;
    while (at < model.shape.knees.size() && o.total_bytes() > model.shape.knees[at]) ++at;
    const double fixed = model.parameters.dispatch_ms + o.depth * model.parameters.layer_ms;
    const bool mostly = o.ms > 1.5 * fixed;
    const bool bytes = model.parameters.bound_by_bytes(o, model.shape);
    if (mostly && bytes == by_bytes && (!by_bytes || at == level)) ++count;
  }
  return count;
}

void add_capacities(Fit& fit, const std::vector<Observation>& observations,
                    const FittedModel& model, const std::vector<ModelParameters>& samples) {
  for (size_t k = 0; k < model.shape.knees.size(); ++k) {
    Capacity capacity;
    capacity.mb = model.shape.knees[k] / kMiB;
    capacity.high_mb = 1e300;
    for (const Observation& o : observations) {
      const double mb = o.total_bytes() / kMiB;
      if (mb <= capacity.mb) capacity.low_mb = std::max(capacity.low_mb, mb);
      if (mb > capacity.mb) capacity.high_mb = std::min(capacity.high_mb, mb);
    }
    capacity.beyond_gbs =
        estimate(model, samples, count_bound(observations, model, true, k + 1) >= 2,
                 [k](const ModelParameters& p) { return p.bandwidth[k + 1] * 1e-6; });
    fit.capacities.push_back(capacity);
  }
}

void add_anomalies(Fit& fit, const std::vector<Observation>& observations,
                   const FittedModel& model) {
  std::vector<double> sizes;
  for (const double residual : model.residuals) sizes.push_back(std::abs(residual));
  const double limit = std::max(0.15, 3 * 1.4826 * median_of(sizes));
  for (size_t i = 0; i < observations.size(); ++i) {
    if (std::abs(model.residuals[i]) < limit) continue;
    fit.anomalies.push_back({observations[i].label, observations[i].ms,
                             model.parameters.predict_ms(observations[i], model.shape)});
  }
}

bool is_power_of_two(double n) {
  const auto whole = static_cast<int64_t>(n);
  return whole > 0 && (whole & (whole - 1)) == 0;
}

}  // namespace

Fit fit_times(const std::vector<Observation>& observations, const std::string& where) {
  if (observations.size() < kLeast) {
    fail(where, fmt::format("{} times are too few for a fit, which needs {}", observations.size(),
                            kLeast));
  }
  const std::vector<FittedModel> models = candidates(observations);
  const FittedModel& model = choose(models);
  const std::vector<ModelParameters> samples = bootstrap(observations, model);
  Fit fit;
  fit.observations = static_cast<int>(observations.size());
  fit.chosen = model.shape.name();
  for (const FittedModel& other : models) {
    fit.models.push_back({other.shape.name(), other.shape.parameters(),
                          other.criterion - models.front().criterion,
                          median_of(relative_errors(other.residuals))});
  }
  fit.dispatch_ms =
      estimate(model, samples, true, [](const ModelParameters& p) { return p.dispatch_ms; });
  fit.layer_ms = estimate(model, samples, model.shape.layer,
                          [](const ModelParameters& p) { return p.layer_ms; });
  fit.peak_tflops = estimate(model, samples, count_bound(observations, model, false, 0) >= 2,
                             [](const ModelParameters& p) { return p.peak * 1e-9; });
  fit.bandwidth_gbs = estimate(model, samples, count_bound(observations, model, true, 0) >= 2,
                               [](const ModelParameters& p) { return p.bandwidth[0] * 1e-6; });
  if (model.shape.power_of_two) {
    fit.power_of_two =
        estimate(model, samples, true, [](const ModelParameters& p) { return p.power_of_two; });
  }
  add_capacities(fit, observations, model, samples);
  add_anomalies(fit, observations, model);
  const std::vector<double> errors = relative_errors(model.residuals);
  fit.median_error = median_of(errors);
  fit.worst_error = *std::max_element(errors.begin(), errors.end());
  return fit;
}

std::vector<Observation> observations_of(const BenchResult& result) {
  std::vector<Observation> observations;
  for (const auto& row : result.rows) {
    const double ms = number(row, "ms"), weight_mb = number(row, "weight_mb");
    const double gflop = number(row, "gflop"), depth = number(row, "depth", 1);
    const double channels = number(row, "channels");
    if (ms <= 0 || weight_mb <= 0 || gflop <= 0 || depth <= 0) continue;
    Observation o;
    o.label =
        fmt::format("{}{:.0f} channels x {:.0f}", depth > 1 ? fmt::format("{} x ", depth) : "",
                    channels, number(row, "spatial"));
    o.depth = depth;
    o.flops = gflop * 1e9 / depth;
    o.bytes = weight_mb * kMiB / depth;
    o.ms = ms;
    o.power_of_two = channels >= kSuspectChannels && is_power_of_two(channels);
    observations.push_back(std::move(o));
  }
  return observations;
}

}  // namespace anemone
