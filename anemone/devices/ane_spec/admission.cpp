#include "anemone/devices/ane_spec/admission.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/passes/pipelines.h"

namespace anemone {
namespace {

bool stops(const Rule& rule, bool strict) {
  return rule.effect == Effect::kCompileRefused || rule.effect == Effect::kEvaluationRefused ||
         (strict && rule.effect == Effect::kSilentlyWrong);
}

std::string rule_text(const Finding& finding) {
  return fmt::format("{}: {} ({})", finding.rule->id, finding.violation.message,
                     to_string(finding.rule->effect));
}

}  // namespace

std::string describe(const Finding& finding) {
  return fmt::format("{}: {}; instead: {}", finding.violation.where, rule_text(finding),
                     finding.rule->workaround);
}

Admission admit(const Function& function, const Target& target, bool strict) {
  Admission admission{function.clone(), {}};
  lower_to_ane(admission.lowered);
  for (const Finding& finding : check_rules(admission.lowered, target)) {
    if (stops(*finding.rule, strict)) {
      fail(finding.violation.where, "refused for the Neural Engine: " + rule_text(finding),
           std::string(finding.rule->workaround));
    }
    if (finding.rule->effect == Effect::kSilentlyWrong) admission.wrong.push_back(finding);
  }
  return admission;
}

Support admissible(const Function& function, const Target& target, bool strict) {
  Function lowered = function.clone();
  lower_to_ane(lowered);
  for (const Finding& finding : check_rules(lowered, target)) {
    if (stops(*finding.rule, strict)) return {false, describe(finding)};
  }
  return {};
}

}  // namespace anemone
