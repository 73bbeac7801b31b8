// What a person sees of a training run: a line an update, or a progress bar; and where time went.
#pragma once

#include <string>

#include "anemone/base/clock.h"
#include "anemone/runtime/timeline.h"
#include "anemone/train/trainer.h"

namespace anemone::cli {

class TrainDisplay {
 public:
  enum class Style { kLines, kBar, kQuiet };

  // `first`: updates already done when the run starts.
  // `unit`: what an update's numbers of tokens count.
  TrainDisplay(Style style, int64_t first, int64_t steps, std::string unit = "tok");

  void show(const UpdateMetrics& metrics);
  // Leaves the progress bar's line.
  void finish();

 private:
  std::string line(const UpdateMetrics& metrics) const;
  std::string bar(const UpdateMetrics& metrics) const;
  double seconds_left(int64_t step) const;

  Style style_;
  bool terminal_;
  int64_t first_, steps_, last_shown_percent_ = -1;
  std::string unit_;
  Stopwatch watch_;
  int64_t tokens_ = 0;
  double busy_ms_ = 0;
};

// Milliseconds and GFLOP/s by kind of work, per update.
std::string step_breakdown(const Timeline& timeline, int64_t updates);

}  // namespace anemone::cli
