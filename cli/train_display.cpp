#include "cli/train_display.h"

#include <unistd.h>

#include <algorithm>

#include "cli/terminal.h"

namespace anemone::cli {
namespace {

std::string validation_part(const UpdateMetrics& metrics) {
  return metrics.validation_loss ? fmt::format("  val {:.4f}", *metrics.validation_loss) : "";
}

std::string skipped_part(const UpdateMetrics& metrics) {
  if (!metrics.skipped) return "";
  return fmt::format("  skipped: overflow at loss scale {}", metrics.loss_scale);
}

}  // namespace

TrainDisplay::TrainDisplay(Style style, int64_t first, int64_t steps, bool simulated)
    : style_(style),
      terminal_(::isatty(STDOUT_FILENO) == 1),
      simulated_(simulated),
      first_(first),
      steps_(steps) {}

double TrainDisplay::seconds_left(int64_t step) const {
  return watch_.elapsed_ms() / 1000 * static_cast<double>(steps_ - step) /
         static_cast<double>(std::max<int64_t>(step - first_, 1));
}

std::string TrainDisplay::line(const UpdateMetrics& m) const {
  return fmt::format(
      "step {:>{}}/{}  loss {:.4f}  norm {:.3f}  lr {:.2e}  {:>7.0f} tok/s  "
      "{:.1f} ms{}  {} left{}{}\n",
      m.step, std::to_string(steps_).size(), steps_, m.loss, m.gradient_norm, m.learning_rate,
      static_cast<double>(m.tokens) / m.ms * 1000, m.ms, simulated_ ? " (simulated)" : "",
      duration(seconds_left(m.step)), validation_part(m), skipped_part(m));
}

std::string TrainDisplay::bar(const UpdateMetrics& m) const {
  constexpr int64_t kWidth = 30;
  const int64_t filled = kWidth * m.step / std::max<int64_t>(steps_, 1);
  std::string cells;
  for (int64_t i = 0; i < kWidth; ++i) cells += i < filled ? "█" : "░";
  return fmt::format("{} {:>3}%  step {}/{}  loss {:.4f}  {:.0f} tok/s  {} left{}", cells,
                     100 * m.step / std::max<int64_t>(steps_, 1), m.step, steps_, m.loss,
                     static_cast<double>(tokens_) / busy_ms_ * 1000, duration(seconds_left(m.step)),
                     validation_part(m));
}

void TrainDisplay::show(const UpdateMetrics& m) {
  tokens_ += m.tokens;
  busy_ms_ += m.ms;
  if (style_ == Style::kQuiet) return;
  if (style_ == Style::kLines) return print(line(m));
  if (terminal_) {
    // Back to the start of the line, and clear what is left of a longer one.
    return print("\r" + bar(m) + "\033[K" + (m.validation_loss ? "\n" : ""));
  }
  const int64_t percent = 100 * m.step / std::max<int64_t>(steps_, 1);
  if (percent / 10 == last_shown_percent_ / 10 && !m.validation_loss && m.step != first_ + 1)
    return;
  last_shown_percent_ = percent;
  print(bar(m) + "\n");
}

void TrainDisplay::finish() {
  if (style_ == Style::kBar && terminal_) print("\n");
}

std::string step_breakdown(const Timeline& timeline, int64_t updates) {
  double all = 0;
  for (const TimelineTotal& total : timeline.totals()) all += total.total_ms;
  if (all == 0 || updates == 0) return "";
  const char* title = timeline.simulated() ? "step breakdown, simulated" : "step breakdown";
  std::string text = fmt::format("{:<36}{:>10}{:>12}{:>8}{:>12}\n", title, "calls", "ms/update",
                                 "share", "GFLOP/s");
  for (const TimelineTotal& total : timeline.totals()) {
    const std::string rate =
        total.flops > 0 ? fmt::format("{:.1f}", total.flops / total.total_ms / 1e6) : "";
    text += fmt::format("  {:<34}{:>10}{:>12.3f}{:>7.1f}%{:>12}\n", total.name, total.count,
                        total.total_ms / static_cast<double>(updates), 100 * total.total_ms / all,
                        rate);
  }
  return text + fmt::format("  {:<34}{:>10}{:>12.3f}{:>7.1f}%\n", "sum", "",
                            all / static_cast<double>(updates), 100.0);
}

}  // namespace anemone::cli
