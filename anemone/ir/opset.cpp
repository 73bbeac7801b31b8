#include "anemone/ir/opset.h"

#include <utility>

namespace anemone {

Opset opset_from_name(std::string_view name) {
  static constexpr std::pair<std::string_view, Opset> kNames[] = {
      {"ios15", Opset::kIos15},   {"CoreML5", Opset::kIos15}, {"ios16", Opset::kIos16},
      {"CoreML6", Opset::kIos16}, {"ios17", Opset::kIos17},   {"CoreML7", Opset::kIos17},
  };
  for (const auto& [spelling, opset] : kNames) {
    if (spelling == name) return opset;
  }
  return Opset::kNewest;
}

}  // namespace anemone
