// The plots of results: throughput over size, roofline, dispatch, and where a training step goes.
#pragma once

#include <vector>

#include "anemone/report/plot.h"
#include "anemone/report/runs.h"

namespace anemone {

// Of `peak` one, over the work of a program; of `sram` one for each probe, over its weights. With
// the fits as curves and what they miss in rings. Empty where no run has such results.
std::vector<Plot> throughput_plots(const std::vector<Run>& runs, const std::string& benchmark);

// Every chain over its flops per byte of weights, below the peak and the bandwidth of its run.
Plot roofline_plot(const std::vector<Run>& runs);

// Median and p10 to p90 of every program of `dispatch`.
Plot dispatch_plot(const std::vector<Run>& runs);

// Components of the steps of `train` or `step`, those in the background below the others.
Plot step_plot(const std::vector<Run>& runs, const std::string& benchmark);

// As colours are given out for the components of a step, in all plots.
int component_style(const std::string& component);

}  // namespace anemone
