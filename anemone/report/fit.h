// What a table of times says about the machine behind it:
//
//   t = dispatch + depth (layer + max(flops / peak, bytes / bandwidth))
//
// with flops and bytes of one layer; the peak only where flops and bytes are not in the same
// proportion everywhere, which could not tell them apart. Extensions are taken in only where the
// data support them: a capacity, beyond which bytes come at a lower bandwidth, once or twice
// (memories behind each other), possibly after a start of their own; a slowdown of sizes that are a
// power of two; and a third roof, the bandwidth of activations. Which are in is decided by Akaike's
// criterion corrected for small samples (Burnham and Anderson, Model selection and multimodel
// inference, 2002): each must lower it by more than `kEvidence`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anemone/report/result.h"

namespace anemone {

// Strong evidence in the usual reading of differences of the criterion.
inline constexpr double kEvidence = 6;

struct Observation {
  std::string label;            // "4096 channels x 64"
  double depth = 1;             // layers of the program
  double flops = 0, bytes = 0;  // of one layer; bytes of its weights
  double activation_bytes = 0;  // of one layer, read and written
  double ms = 0;                // of the program
  bool power_of_two = false;    // its size is one that may be slow for that reason
  double total_bytes() const { return depth * bytes; }
};

// 90 % of what the fit gives when its residuals are dealt out anew (bootstrap). Not determined:
// no observation depends on it, or the interval spans more than a factor of two; then `low` or
// `high` still bounds it where that is not 0.
struct Estimate {
  double value = 0, low = 0, high = 0;
  bool determined = false;
};

struct Capacity {
  double mb = 0, low_mb = 0, high_mb = 0;  // MiB; between the sizes on either side of it
  Estimate beyond_gbs;                     // bandwidth from there on
  double start_ms = 0;                     // that reading from there takes at first
};

struct ModelScore {
  std::string name;  // "plain", "capacity", "powers of two", …
  int parameters = 0;
  double criterion = 0;     // difference to the plain model's: negative is better
  double median_error = 0;  // relative
};

struct Anomaly {
  std::string label;
  double ms = 0, expected_ms = 0;
};

struct Fit {
  Estimate dispatch_ms, layer_ms;  // layer: only where depths differ
  Estimate peak_tflops, bandwidth_gbs;
  std::vector<Capacity> capacities;         // smallest first; empty where the data support none
  std::optional<Estimate> power_of_two;     // slowdown factor
  std::optional<Estimate> activations_gbs;  // the third roof
  std::vector<ModelScore> models;           // all that were compared
  std::string chosen;                       // name of the one that these figures come from
  std::vector<Anomaly> anomalies;           // rows that even the chosen model misses
  double median_error = 0, worst_error = 0;
  int observations = 0;
};

// Throws Error for fewer than five observations.
Fit fit_times(const std::vector<Observation>& observations, const std::string& where);

// Rows of chains and single convolutions that were not refused, bytes as the weights have them; of
// one probe, or of all.
std::vector<Observation> observations_of(const BenchResult& result, const std::string& probe = "");

// One fit for each probe of a result, or one for all where it has none; empty where there are too
// few times. `probe` is empty for a result without.
struct ProbeFit {
  std::string probe;
  Fit fit;
};
std::vector<ProbeFit> fit_result(const BenchResult& result);

// A paragraph of figures, models compared, and anomalies.
std::string to_text(const Fit& fit);
nlohmann::ordered_json to_json(const Fit& fit);

}  // namespace anemone
