#include "cli/train_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/terminal.h"

namespace anemone::cli {
namespace {

std::string validation_part(const UpdateMetrics& metrics) {
  return metrics.validation_loss ? fmt::format("  val {:.4f}", *metrics.validation_loss) : "";
}

// What an update was like, or why there was none.
std::string update_part(const UpdateMetrics& m) {
  if (m.skipped) return fmt::format("skipped: overflow at scale {}", m.loss_scale);
  return fmt::format("norm {:.3f}  lr {:.2e}", m.gradient_norm, m.learning_rate);
}

int64_t terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 100;
}

}  // namespace

TrainDisplay::TrainDisplay(Style style, int64_t first, int64_t steps, std::string unit)
    : style_(style),
      terminal_(::isatty(STDOUT_FILENO) == 1),
      first_(first),
      steps_(steps),
      unit_(std::move(unit)) {}

double TrainDisplay::seconds_left(int64_t step) const {
  return watch_.elapsed_ms() / 1000 * static_cast<double>(steps_ - step) /
         static_cast<double>(std::max<int64_t>(step - first_, 1));
}

std::string TrainDisplay::line(const UpdateMetrics& m) const {
  return fmt::format("step {:>{}}/{}  loss {:.4f}  {}  {:>6.0f} {}/s  {:.1f} ms{}  {} left{}\n",
                     m.step, std::to_string(steps_).size(), steps_, m.loss, update_part(m),
                     static_cast<double>(m.tokens) / m.ms * 1000, unit_, m.ms,
                     m.simulated ? " (simulated)" : "", duration(seconds_left(m.step)),
                     validation_part(m));
}

std::string TrainDisplay::bar(const UpdateMetrics& m) const {
  const int64_t steps = std::max<int64_t>(steps_, 1);
  const std::string text = fmt::format(
      " {:>3}%  step {}/{}  loss {:.4f}  {:.0f} {}/s{}  {} left{}{}", 100 * m.step / steps, m.step,
      steps_, m.loss, static_cast<double>(tokens_) / busy_ms_ * 1000, unit_,
      m.simulated ? " (simulated)" : "", duration(seconds_left(m.step)), validation_part(m),
      m.skipped ? "  skipped" : "");
  // A line that wraps could not be written over.
  const int64_t room = terminal_columns() - 1 - static_cast<int64_t>(text.size());
  const int64_t width = std::clamp<int64_t>(room, 0, 30);
  std::string cells;
  for (int64_t i = 0; i < width; ++i) cells += i < width * m.step / steps ? "█" : "░";
  return cells + text;
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
