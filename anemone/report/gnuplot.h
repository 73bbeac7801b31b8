// Plots drawn by gnuplot, a program of its own.
#pragma once

#include <string>

#include "anemone/report/plot.h"

namespace anemone {

inline constexpr const char* kGnuplot = "gnuplot";

// What gnuplot is told: a terminal for SVG, and the data in the script itself. Texts of the plot
// stand in it as single-quoted strings, without anything that could end them.
std::string gnuplot_script(const Plot& plot);

// An <svg> element to stand in a page, or why there is none. Names inside it begin with `prefix`,
// since all pictures of a page share one space of names.
struct Drawing {
  std::string svg;
  std::string problem;
};
Drawing draw_with_gnuplot(const Plot& plot, const std::string& prefix,
                          const std::string& program = kGnuplot);

}  // namespace anemone
