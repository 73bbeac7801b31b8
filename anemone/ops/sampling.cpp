#include "anemone/ops/sampling.h"

#include <algorithm>
#include <cmath>

namespace anemone {
namespace {

// On an axis of `from` elements, before it is kept inside.
double unbounded_point(Sampling sampling, double index, double from, double to) {
  switch (sampling) {
    case Sampling::kStrictAlignCorners:
      return to == 1 ? 0 : index * (from - 1) / (to - 1);
    case Sampling::kAlignCorners:
      return to == 1 ? (from - 1) / 2 : index * (from - 1) / (to - 1);
    case Sampling::kUnalignCorners:
      return ((2 * index + 1) * from - to) / (2 * to);
    case Sampling::kDefault:
      return index * from / to;
    case Sampling::kOffsetCorners:
      break;
  }
  return (2 * index + 1) * std::max(1.0, from - 1) / (2 * to);
}

}  // namespace

Sampling sampling_of(const OpArgs& args, std::string_view name, std::string_view rule) {
  static constexpr std::pair<std::string_view, Sampling> kModes[] = {
      {"STRICT_ALIGN_CORNERS", Sampling::kStrictAlignCorners},
      {"ALIGN_CORNERS", Sampling::kAlignCorners},
      {"UNALIGN_CORNERS", Sampling::kUnalignCorners},
      {"DEFAULT", Sampling::kDefault},
      {"OFFSET_CORNERS", Sampling::kOffsetCorners}};
  const std::string text = args.text(name, "DEFAULT");
  for (const auto& [mode_name, mode] : kModes) {
    if (mode_name == text) return mode;
  }
  args.refuse(
      fmt::format("{}: sampling_mode '{}' is not DEFAULT, ALIGN_CORNERS, "
                  "STRICT_ALIGN_CORNERS, UNALIGN_CORNERS or OFFSET_CORNERS",
                  rule, text));
}

double grid_point(Sampling sampling, int64_t index, int64_t from, int64_t to) {
  const double point = unbounded_point(sampling, static_cast<double>(index),
                                       static_cast<double>(from), static_cast<double>(to));
  return std::clamp(point, 0.0, static_cast<double>(from - 1));
}

double grid_point_between(Sampling sampling, int64_t index, double begin, double end, int64_t to) {
  const double span = std::abs(end - begin);
  const double point = std::clamp(
      unbounded_point(sampling, static_cast<double>(index), span + 1, static_cast<double>(to)), 0.0,
      span);
  return end < begin ? begin - point : begin + point;
}

}  // namespace anemone
