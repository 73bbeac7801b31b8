#include "anemone/devices/ane_spec/rules.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "anemone/devices/ane_spec/rule_tools.h"

namespace anemone {
namespace {

int number_of(const Rule& rule) {
  const std::string_view digits = rule.id.substr(std::string_view("ane.c").size());
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::vector<Rule> all_rules() {
  std::vector<Rule> all;
  for (const auto topic :
       {ane::program_rules(), ane::operation_rules(), ane::runtime_weight_rules(),
        ane::shape_rules(), ane::window_rules(), ane::surface_rules(), ane::numeric_rules()}) {
    all.insert(all.end(), topic.begin(), topic.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Rule& a, const Rule& b) { return number_of(a) < number_of(b); });
  return all;
}

// Inputs first, then operations in their order; the rules of one place by number.
void sort_by_place(const Function& function, std::vector<Finding>& findings) {
  std::unordered_map<const Operation*, size_t> order;
  walk(function, [&](const Operation& op) { order.emplace(&op, order.size() + 1); });
  const auto place = [&](const Finding& f) { return f.violation.op ? order[f.violation.op] : 0; };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return place(a) < place(b); });
}

}  // namespace

std::span<const Rule> ane_rules() {
  static const std::vector<Rule> all = all_rules();
  return all;
}

std::vector<Finding> check_rules(const Function& function, const Target& target) {
  std::vector<Finding> findings;
  std::vector<Violation> violations;
  for (const Rule& rule : ane_rules()) {
    if (!rule.check || !rule.holds_for(target)) continue;
    violations.clear();
    rule.check(function, target, violations);
    for (Violation& violation : violations) findings.push_back({&rule, std::move(violation)});
  }
  if (findings.size() > 1) sort_by_place(function, findings);
  return findings;
}

namespace ane {

std::unordered_set<const Variable*> baked_values(const Function& function) {
  std::unordered_set<const Variable*> baked;
  walk(function, [&](const Operation& op) {
    bool all = true;
    for_each_used_value(op, [&](Value value) { all = all && baked.contains(value); });
    if (all) baked.insert(op.outputs.begin(), op.outputs.end());
  });
  return baked;
}

}  // namespace ane
}  // namespace anemone
