// A report as one page: no script, nothing from elsewhere.
#pragma once

#include <functional>
#include <string>

#include "anemone/report/document.h"
#include "anemone/report/gnuplot.h"

namespace anemone {

// How a plot becomes a picture; `prefix` as for draw_with_gnuplot.
using Draw = std::function<Drawing(const Plot& plot, const std::string& prefix)>;

std::string to_html(const Document& document, const Draw& draw);

}  // namespace anemone
