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

// Whether flops and bytes are in different proportions somewhere.
bool tells_flops_from_bytes(const std::vector<Observation>& observations) {
  double low = 1e300, high = 0;
  for (const Observation& o : observations) {
    low = std::min(low, o.flops / o.bytes);
    high = std::max(high, o.flops / o.bytes);
  }
  return high > 1.01 * low;
}

// The terms that make sense for these data, without extensions.
ModelShape plain_shape(const std::vector<Observation>& observations) {
  std::set<double> depths;
  for (const Observation& o : observations) depths.insert(o.depth);
  ModelShape shape;
  shape.layer = depths.size() > 1;
  shape.peak = tells_flops_from_bytes(observations);
  return shape;
}

std::vector<FittedModel> candidates(const std::vector<Observation>& observations) {
  const ModelShape plain = plain_shape(observations);
  const auto suspects = std::count_if(observations.begin(), observations.end(),
                                      [](const Observation& o) { return o.power_of_two; });
  const bool both = suspects > 0 && suspects < static_cast<long>(observations.size());
  std::vector<FittedModel> models;
  for (const bool activations : {false, true}) {
    if (activations && !plain.peak) continue;  // in proportion to the others then
    for (const bool power_of_two : {false, true}) {
      if (power_of_two && !both) continue;
      ModelShape shape = plain;
      shape.activations = activations;
      shape.power_of_two = power_of_two;
      models.push_back(fit_model(observations, shape));
      for (const bool starts : {false, true}) {
        shape.starts = starts;
        for (const size_t knees : {1, 2}) {
          std::vector<FittedModel> found = fit_knees(observations, shape, knees);
          const bool enough = !found.empty() && found.front().criterion < kNotEnoughData;
          if (enough) models.push_back(std::move(found.front()));
        }
      }
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

// Observations whose time is to a third or more the work of one roof; of bytes, at one level.
bool depends(const std::vector<Observation>& observations, const FittedModel& model, Roof roof,
             size_t level = 0) {
  int count = 0;
  for (const Observation& o : observations) {
    const bool mostly = o.ms > 1.5 * model.parameters.fixed_ms(o, model.shape);
    const bool here = roof != Roof::kBytes || model.shape.level_of(o.total_bytes()) == level;
    if (mostly && here && model.parameters.roof(o, model.shape) == roof) ++count;
  }
  return count >= 2;
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
        estimate(model, samples, depends(observations, model, Roof::kBytes, k + 1),
                 [k](const ModelParameters& p) { return p.bandwidth[k + 1] * 1e-6; });
    capacity.start_ms = model.parameters.start_ms[k + 1];
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
  fit.peak_tflops = estimate(model, samples, depends(observations, model, Roof::kFlops),
                             [](const ModelParameters& p) { return p.peak * 1e-9; });
  fit.bandwidth_gbs = estimate(model, samples, depends(observations, model, Roof::kBytes),
                               [](const ModelParameters& p) { return p.bandwidth[0] * 1e-6; });
  if (model.shape.power_of_two) {
    fit.power_of_two =
        estimate(model, samples, true, [](const ModelParameters& p) { return p.power_of_two; });
  }
  if (model.shape.activations) {
    fit.activations_gbs = estimate(model, samples, depends(observations, model, Roof::kActivations),
                                   [](const ModelParameters& p) { return p.activations * 1e-6; });
  }
  add_capacities(fit, observations, model, samples);
  add_anomalies(fit, observations, model);
  const std::vector<double> errors = relative_errors(model.residuals);
  fit.median_error = median_of(errors);
  fit.worst_error = *std::max_element(errors.begin(), errors.end());
  return fit;
}

std::vector<Observation> observations_of(const BenchResult& result, const std::string& probe) {
  std::vector<Observation> observations;
  for (const auto& row : result.rows) {
    if (!probe.empty() && row.value("probe", "") != probe) continue;
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
    o.activation_bytes = 2 * number(row, "activation_mb") * kMiB;
    o.ms = ms;
    o.power_of_two = channels >= kSuspectChannels && is_power_of_two(channels);
    observations.push_back(std::move(o));
  }
  return observations;
}

std::vector<ProbeFit> fit_result(const BenchResult& result) {
  std::vector<std::string> probes;
  for (const auto& row : result.rows) {
    const std::string probe = row.value("probe", "");
    if (std::find(probes.begin(), probes.end(), probe) == probes.end()) probes.push_back(probe);
  }
  std::vector<ProbeFit> fits;
  for (const std::string& probe : probes) {
    const std::vector<Observation> observations = observations_of(result, probe);
    if (observations.size() >= kLeast) {
      fits.push_back({probe, fit_times(observations, result.benchmark)});
    }
  }
  return fits;
}

}  // namespace anemone
