// Where figures come from: said in words wherever they are shown.
#pragma once

#include <cstdint>

#include "anemone/report/result.h"

namespace anemone {

enum class Origin : uint8_t { kMeasured, kSimulated, kPublished };

const char* to_string(Origin origin);  // "measured", …
Origin origin_of(const BenchResult& result);

}  // namespace anemone
