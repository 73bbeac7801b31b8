// The versions of MIL's operations. A form that an opset does not change is that of the one before.
#pragma once

#include <cstdint>
#include <string_view>

namespace anemone {

// Numbered as the iOS release; macOS 12 to 15 are the same four.
enum class Opset : uint8_t { kIos15 = 15, kIos16, kIos17, kIos18, kNewest = kIos18 };

// Returns what "ios17", or "CoreML7" as packages spell it, stands for. The newest for an empty name
// and for releases that are not listed here.
Opset opset_from_name(std::string_view name);

}  // namespace anemone
