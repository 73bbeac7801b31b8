// Names of the enumerations, as people read them.
#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/rules.h"

namespace anemone {

const char* to_string(Grade grade) {
  switch (grade) {
    case Grade::kMeasured:
      return "measured";
    case Grade::kCode:
      return "code";
    case Grade::kReported:
      return "reported";
    case Grade::kFitted:
      return "fitted";
    case Grade::kInferred:
      return "inferred";
  }
  return "";
}

const char* to_string(Effect effect) {
  switch (effect) {
    case Effect::kCompileRefused:
      return "compile refused";
    case Effect::kEvaluationRefused:
      return "evaluation refused";
    case Effect::kSilentlyWrong:
      return "silently wrong";
    case Effect::kSlow:
      return "slow";
  }
  return "";
}

const char* to_string(Bound bound) {
  switch (bound) {
    case Bound::kCompute:
      return "compute";
    case Bound::kWeights:
      return "weights";
    case Bound::kActivations:
      return "activations";
    case Bound::kOverhead:
      return "overhead";
  }
  return "";
}

}  // namespace anemone
