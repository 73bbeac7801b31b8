// What the rules share: lists of them by topic, and short ways to look at a program.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "anemone/devices/ane_spec/limits.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone::ane {

// rules_<topic>.cpp, each in the order of their numbers.
std::span<const Rule> program_rules();
std::span<const Rule> operation_rules();
std::span<const Rule> runtime_weight_rules();
std::span<const Rule> shape_rules();
std::span<const Rule> window_rules();
std::span<const Rule> surface_rules();
std::span<const Rule> numeric_rules();

using Violations = std::vector<Violation>;

template <typename... Values>
void report(Violations& out, const Operation& op, fmt::format_string<Values...> message,
            Values&&... values) {
  out.push_back({op.where(), fmt::format(message, std::forward<Values>(values)...), &op});
}

// At a port: where it stands in the text, or "input 'x'".
template <typename... Values>
void report(Violations& out, const Variable& input, fmt::format_string<Values...> message,
            Values&&... values) {
  const SourceLocation at = input.location;
  out.push_back({at.line > 0 ? fmt::format("{}:{}", at.line, at.column)
                             : fmt::format("input '{}'", input.name),
                 fmt::format(message, std::forward<Values>(values)...), nullptr});
}

// Calls check(args) for every operation of this type, or one of these types.
template <typename Check>
void for_each(const Function& function, std::string_view type, Check&& check) {
  for_each_of_type(function, type, [&](const Operation& op) { check(OpArgs(op)); });
}
template <typename Check>
void for_each(const Function& function, std::initializer_list<std::string_view> types,
              Check&& check) {
  walk(function, [&](const Operation& op) {
    if (std::find(types.begin(), types.end(), op.type) != types.end()) check(OpArgs(op));
  });
}
// The same for operations that have the trait, or one of several.
template <typename Check>
void for_each(const Function& function, Trait trait, Check&& check) {
  walk(function, [&](const Operation& op) {
    if (has_trait(op, trait)) check(OpArgs(op));
  });
}

inline bool is_constant(const Operand& operand) { return Operation::constant(operand) != nullptr; }
inline bool is_input(Value value) { return value && !value->producer; }

// Values that depend on no input of the function.
std::unordered_set<const Variable*> baked_values(const Function& function);

// For `holds_for`.
inline AneFamily family(const Target& target) { return target.chip->family; }
inline bool everywhere(const Target&) { return true; }
inline bool on_m1(const Target& target) { return family(target) == AneFamily::kH13; }
inline bool up_to_m2(const Target& target) { return family(target) <= AneFamily::kH14; }
inline bool on_m3(const Target& target) { return family(target) == AneFamily::kH15; }

}  // namespace anemone::ane
