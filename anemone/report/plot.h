// A plot as data: what a plotting program is asked to draw.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "anemone/report/origin.h"

namespace anemone {

struct PlotPoint {
  double x = 0, y = 0;
  double low = 0, high = 0;  // interval of x in plots with rows, of y in others; 0: none
};

enum class SeriesKind : uint8_t { kPoints, kCurve, kRings };

// `style`: a number for colour and shape; the origin also decides whether shapes are filled and
// lines whole, so that neither is told by colour alone.
struct PlotSeries {
  std::string name;  // in the key; empty: not there
  SeriesKind kind = SeriesKind::kPoints;
  int style = 0;
  Origin origin = Origin::kMeasured;
  std::vector<PlotPoint> points;
};

// Boxes of one colour, lying: from x to x, between heights around the middle of a row.
struct PlotBox {
  double from = 0, to = 0, row = 0, above = 0.4, below = 0.4;
};
struct PlotBoxes {
  std::string name;
  int style = 0;
  std::vector<PlotBox> boxes;
};

struct Plot {
  std::string title, x_label, y_label;
  std::string note;                                   // what a reader has to know
  std::vector<std::pair<std::string, Origin>> shows;  // whose figures these are
  bool log_x = false, log_y = false;
  std::vector<std::string> rows;  // from the top down; then y of points is a row's number
  std::vector<PlotSeries> series;
  std::vector<PlotBoxes> boxes;

  bool empty() const;
};

}  // namespace anemone
