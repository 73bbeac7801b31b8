#include "anemone/report/minimize.h"

#include <algorithm>
#include <cmath>

namespace anemone {
namespace {

constexpr int kMostSteps = 400;
constexpr int kMostStarts = 6;
constexpr double kGain = 1e-9;  // relative; less than that is standing still

using Point = std::vector<double>;
using Function = std::function<double(const Point&)>;

// a + factor (b - a)
Point between(const Point& a, const Point& b, double factor) {
  Point result(a.size());
  for (size_t i = 0; i < a.size(); ++i) result[i] = a[i] + factor * (b[i] - a[i]);
  return result;
}

class Simplex {
 public:
  Simplex(const Function& f, const Point& start, double step) : f_(f) {
    corners_.push_back({start, f(start)});
    for (size_t i = 0; i < start.size(); ++i) {
      Point corner = start;
      corner[i] += step;
      corners_.push_back({corner, f(corner)});
    }
    sort();
  }

  Minimum run() {
    for (int step = 0; step < kMostSteps; ++step) {
      const double spread = corners_.back().value - corners_.front().value;
      if (spread <= kGain * std::abs(corners_.front().value)) break;
      move();
      sort();
    }
    return corners_.front();
  }

 private:
  void sort() {
    std::sort(corners_.begin(), corners_.end(),
              [](const Minimum& a, const Minimum& b) { return a.value < b.value; });
  }

  Minimum at(const Point& point) const { return {point, f_(point)}; }

  void move() {
    Point middle(corners_[0].at.size(), 0);
    for (size_t c = 0; c + 1 < corners_.size(); ++c) {
      for (size_t i = 0; i < middle.size(); ++i) {
        middle[i] += corners_[c].at[i] / static_cast<double>(corners_.size() - 1);
      }
    }
    Minimum& worst = corners_.back();
    const Minimum reflected = at(between(middle, worst.at, -1));
    if (reflected.value < corners_.front().value) {
      const Minimum expanded = at(between(middle, worst.at, -2));
      worst = expanded.value < reflected.value ? expanded : reflected;
    } else if (reflected.value < corners_[corners_.size() - 2].value) {
      worst = reflected;
    } else {
      const Minimum contracted = at(between(middle, worst.at, 0.5));
      if (contracted.value < worst.value) {
        worst = contracted;
      } else {
        for (Minimum& corner : corners_) corner = at(between(corners_.front().at, corner.at, 0.5));
      }
    }
  }

  const Function& f_;
  std::vector<Minimum> corners_;
};

}  // namespace

Minimum minimize(const Function& f, Point start, double step) {
  Minimum best{std::move(start), 0};
  best.value = f(best.at);
  for (int round = 0; round < kMostStarts; ++round) {
    const Minimum found = Simplex(f, best.at, round % 2 == 0 ? step : -step / 2).run();
    const bool gained = found.value < best.value - 1e-6 * std::abs(best.value);
    if (found.value < best.value) best = found;
    if (!gained && round > 0) break;
  }
  return best;
}

}  // namespace anemone
