#include "anemone/report/origin.h"

namespace anemone {

const char* to_string(Origin origin) {
  switch (origin) {
    case Origin::kMeasured:
      return "measured";
    case Origin::kSimulated:
      return "simulated";
    case Origin::kPublished:
      return "published";
  }
  return "";
}

Origin origin_of(const BenchResult& result) {
  // A prediction stays one when somebody publishes it.
  if (result.simulated) return Origin::kSimulated;
  return result.published() ? Origin::kPublished : Origin::kMeasured;
}

}  // namespace anemone
