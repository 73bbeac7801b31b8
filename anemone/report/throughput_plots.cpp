// Throughput over size and over flops per byte.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "anemone/report/figures.h"
#include "anemone/report/fit_curve.h"
#include "anemone/report/result_plots.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;

const RunResult* find(const Run& run, const std::string& benchmark) {
  for (const RunResult& result : run.results) {
    if (result.result.benchmark == benchmark) return &result;
  }
  return nullptr;
}

std::string probe_of(const ordered_json& row) {
  const auto probe = row.find("probe");
  return probe != row.end() && probe->is_string() ? probe->get<std::string>() : "";
}

// Those of the runs that say so; a single empty one where none does.
std::vector<std::string> probes_of(const std::vector<Run>& runs, const std::string& benchmark) {
  std::vector<std::string> probes;
  for (const Run& run : runs) {
    const RunResult* found = find(run, benchmark);
    if (!found) continue;
    for (const ordered_json& row : found->result.rows) {
      const std::string probe = probe_of(row);
      if (probe.empty() || std::find(probes.begin(), probes.end(), probe) != probes.end()) continue;
      probes.push_back(probe);
    }
  }
  if (probes.empty()) probes.push_back("");
  return probes;
}

bool is_of(const ordered_json& row, const std::string& probe) {
  const std::string own = probe_of(row);
  return own == probe || (own.empty() && probe != "stream");
}

double tflops_of(const Observation& o, double ms) { return o.depth * o.flops / ms * 1e-9; }

double size_of(const Observation& o, bool by_work) {
  return by_work ? o.depth * o.flops * 1e-9 : o.total_bytes() / kMiB;
}

void add_fit(Plot& plot, const Run& run, const ProbeFit& fit, const BenchResult& result,
             bool by_work) {
  const std::vector<Observation> observations = observations_of(result, fit.probe);
  for (const std::vector<Observation>& curve : curves_through(observations)) {
    plot.series.push_back({"", SeriesKind::kCurve, run.number, run.origin, {}});
    for (const Observation& o : curve) {
      plot.series.back().points.push_back(
          {size_of(o, by_work), tflops_of(o, expected_ms(fit.fit, o))});
    }
  }
  PlotSeries rings{"", SeriesKind::kRings, run.number, run.origin, {}};
  for (const Observation& o : observations) {
    const bool missed = std::any_of(
        fit.fit.anomalies.begin(), fit.fit.anomalies.end(),
        [&](const Anomaly& anomaly) { return anomaly.label == o.label && anomaly.ms == o.ms; });
    if (missed) rings.points.push_back({size_of(o, by_work), tflops_of(o, o.ms)});
  }
  if (!rings.points.empty()) plot.series.push_back(std::move(rings));
}

void add_rows(Plot& plot, const Run& run, const RunResult& found, const std::string& probe,
              bool by_work) {
  PlotSeries points{plain(run.name()), SeriesKind::kPoints, run.number, run.origin, {}};
  for (const ordered_json& row : found.result.rows) {
    const double ms = number(row, "ms"), gflop = number(row, "gflop");
    const double size = by_work ? gflop : number(row, "weight_mb");
    if (!is_of(row, probe) || ms <= 0 || gflop <= 0 || size <= 0) continue;
    points.points.push_back(
        {size, gflop / ms, gflop / number(row, "p90", ms), gflop / number(row, "p10", ms)});
  }
  if (points.points.empty()) return;
  plot.shows.emplace_back(run.name().text, run.origin);
  plot.series.push_back(std::move(points));
  for (const ProbeFit& fit : found.fits) {
    if (fit.probe == probe || fit.probe.empty()) add_fit(plot, run, fit, found.result, by_work);
  }
}

}  // namespace

std::vector<Plot> throughput_plots(const std::vector<Run>& runs, const std::string& benchmark) {
  const bool by_work = benchmark == "peak";
  std::vector<Plot> plots;
  for (const std::string& probe : probes_of(runs, benchmark)) {
    Plot plot;
    plot.title = fmt::format("{}{}: throughput over {}", benchmark,
                             probe.empty() ? "" : ", " + probe + " probe",
                             by_work ? "the work of a program" : "the weights of a program");
    plot.x_label = by_work ? "work of a program, GFLOP" : "weights of a program, MiB";
    plot.y_label = "throughput, TFLOPS";
    plot.note =
        "Lines: what the fits expect of programs between the measured ones. "
        "Rings: what a fit misses. Bars: p10 to p90.";
    plot.log_x = plot.log_y = true;
    for (const Run& run : runs) {
      if (const RunResult* found = find(run, benchmark)) {
        add_rows(plot, run, *found, probe, by_work);
      }
    }
    if (!plot.empty()) plots.push_back(std::move(plot));
  }
  return plots;
}

namespace {

// --- roofline ---

struct Range {
  double low = 1e300, high = 0;
};

PlotSeries chains_of(const Run& run, Range& intensities) {
  PlotSeries series{plain(run.name()), SeriesKind::kPoints, run.number, run.origin, {}};
  for (const RunResult& result : run.results) {
    // Those of `dispatch` are too small to say anything of either roof.
    if (result.result.benchmark == "dispatch") continue;
    for (const Observation& o : observations_of(result.result)) {
      const double intensity = o.flops / o.bytes;
      series.points.push_back({intensity, tflops_of(o, o.ms)});
      intensities.low = std::min(intensities.low, intensity);
      intensities.high = std::max(intensities.high, intensity);
    }
  }
  return series;
}

constexpr double kBeyondFastest = 2;

// The bandwidth up to where it meets the peak, then the peak. Without a peak the slope ends a
// little above what was seen.
PlotSeries roof_of(const Run& run, const Range& intensities) {
  std::vector<BenchResult> results;
  for (const RunResult& result : run.results) results.push_back(result.result);
  const Figures figures = figures_of(results);
  const bool peak = figures.peak_tflops && figures.peak_tflops->determined;
  const bool stream = figures.stream_gbs && figures.stream_gbs->determined;
  PlotSeries roof{"", SeriesKind::kCurve, run.number, run.origin, {}};
  if (!peak && !stream) return roof;
  const double top = peak ? figures.peak_tflops->value : kBeyondFastest * figures.best_tflops;
  const double slope = stream ? figures.stream_gbs->value * 1e-3 : HUGE_VAL;  // TFLOPS a flop/byte
  std::vector<double> at = {intensities.low / 1.5, intensities.high * 1.5};
  const double ridge = stream ? top / slope : 0;
  if (ridge > at[0] && ridge < at[1]) at.insert(at.begin() + 1, ridge);
  if (!peak && at.size() > 2) at.pop_back();
  for (const double x : at) roof.points.push_back({x, std::min(top, slope * x)});
  return roof;
}

}  // namespace

Plot roofline_plot(const std::vector<Run>& runs) {
  Plot plot;
  plot.title = "roofline: every program below the peak and the bandwidth of its run";
  plot.x_label = "flops per byte of weights";
  plot.y_label = "throughput, TFLOPS";
  plot.note =
      "Roofs are fitted: the peak from peak, the slope (weights read from memory) from "
      "sram. A point above a slope had its weights nearer than that memory.";
  plot.log_x = plot.log_y = true;
  Range all;
  for (const Run& run : runs) chains_of(run, all);
  for (const Run& run : runs) {
    Range own;
    PlotSeries chains = chains_of(run, own);
    if (chains.points.empty()) continue;
    plot.shows.emplace_back(run.name().text, run.origin);
    plot.series.push_back(std::move(chains));
    PlotSeries roof = roof_of(run, all);
    if (!roof.points.empty()) plot.series.push_back(std::move(roof));
  }
  return plot;
}

}  // namespace anemone
