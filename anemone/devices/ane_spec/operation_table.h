// Which operations the Neural Engine has: the one table.
#pragma once

#include <span>
#include <string_view>

#include "anemone/devices/ane_spec/chip.h"

namespace anemone {

enum class AneSupport : uint8_t {
  kProven,   // in programs that people trained or ran whole models with
  kProbed,   // compiled alone and gave the right numbers, or so its compiler's tables say
  kRefused,  // did not compile
};

struct AneOperation {
  std::string_view name;
  AneSupport support = AneSupport::kProbed;
  AneFamily since = AneFamily::kH13;
  std::string_view instead = {};  // what to do where it is refused
};

// Sorted by name; every MIL operation that anemone knows, without composites.
std::span<const AneOperation> ane_operations();
// Null for a name that is not in the table.
const AneOperation* find_ane_operation(std::string_view name);

}  // namespace anemone
