#include "anemone/report/plot.h"

#include <algorithm>

namespace anemone {

bool Plot::empty() const {
  return std::all_of(series.begin(), series.end(),
                     [](const PlotSeries& s) { return s.points.empty(); }) &&
         std::all_of(boxes.begin(), boxes.end(),
                     [](const PlotBoxes& b) { return b.boxes.empty(); });
}

}  // namespace anemone
