// Surfaces: the memory that inputs and outputs of a request lie in.
#include <algorithm>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone {
namespace ane {

std::span<const Rule> surface_rules() {
  static const Rule rules[] = {
      {.id = "ane.c26",
       .title = "all inputs of a request have surfaces of one size, all outputs too",
       .effect = Effect::kEvaluationRefused,
       .workaround = "give every surface of a side the size of the largest; data stay packed",
       .evidence = "measured: Orion, M4 Max",
       .holds_for = everywhere,
       .check = nullptr},
      {.id = "ane.c28",
       .title = "a surface has at least 48 KiB",
       .effect = Effect::kEvaluationRefused,
       .workaround = "allocate 48 KiB, in whole pages of 16 KiB",
       .evidence = "measured: Orion, M4 Max with macOS 15; smaller ones seen working on M5",
       .holds_for = everywhere,
       .check = nullptr},
  };
  return rules;
}

}  // namespace ane

std::string check_surfaces(std::span<const size_t> bytes, const Target&) {
  if (bytes.empty()) return "";
  const auto [least, most] = std::minmax_element(bytes.begin(), bytes.end());
  if (*least < ane::kMinSurfaceBytes) {
    return fmt::format("ane.c28: a surface of {} bytes is below {}; allocate at least that", *least,
                       ane::kMinSurfaceBytes);
  }
  if (*least != *most) {
    return fmt::format("ane.c26: surfaces of {} and {} bytes on one side; give all of them {}",
                       *least, *most, *most);
  }
  return "";
}

size_t surface_bytes(const Type& type) {
  const size_t bytes = std::max(type.bytes(), ane::kMinSurfaceBytes);
  return (bytes + ane::kSurfacePage - 1) / ane::kSurfacePage * ane::kSurfacePage;
}

}  // namespace anemone
