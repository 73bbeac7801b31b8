#include "anemone/finetune/choose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <iterator>

#include "anemone/base/nearest_name.h"
#include "anemone/passes/trainable.h"

namespace anemone {

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 8;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMost));
  const std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (names.size() <= kMost) return text;
  return fmt::format("{} and {} more", text, names.size() - kMost);
}

namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// What patterns take: tensors. Numbers (a scale, an epsilon) only by their whole name.
bool is_weight(const ConstantRole& role) {
  return role.obstacle.empty() && !role.value->type.shape.empty();
}

std::vector<std::string> names_of_weights(const std::vector<ConstantRole>& roles) {
  std::vector<std::string> names;
  for (const ConstantRole& role : roles) {
    if (is_weight(role)) names.push_back(role.value->name);
  }
  return names;
}

// Names that are near, or longer: converters append to them ("logits_cast_fp16").
std::string hint_for(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = suggest(name, {known.begin(), known.end()});
  if (!near.empty()) return near;
  std::vector<std::string> longer;
  std::copy_if(known.begin(), known.end(), std::back_inserter(longer),
               [&](const std::string& other) { return other.starts_with(name); });
  if (!longer.empty()) return "there are " + listed(longer);
  return known.empty() ? "" : "there are " + listed(known);
}

[[noreturn]] void refuse_pattern(const std::string& pattern, const Function& whole,
                                 const std::vector<ConstantRole>& roles) {
  const std::string flag = "--train " + pattern;
  const std::vector<std::string> names = names_of_weights(roles);
  for (const ConstantRole& role : roles) {
    if (!matches(pattern, role.value->name) || role.obstacle.empty()) continue;
    fail(flag, fmt::format("'{}' cannot be trained: {}", role.value->name, role.obstacle),
         "constants to train are " + listed(names));
  }
  for (const ConstantRole& role : constant_roles(whole)) {
    if (!matches(pattern, role.value->name)) continue;
    fail(flag, fmt::format("the output does not depend on '{}'", role.value->name),
         hint_for(pattern, names));
  }
  fail(flag, "no constant has such a name", hint_for(pattern, names));
}

void refuse_packed(const std::string& pattern, const ConstantRole& role) {
  if (!role.packed || !matches(pattern, role.value->name)) return;
  fail("--train " + pattern,
       fmt::format("'{}' cannot be trained: {}", role.value->name, role.obstacle),
       "train the package before its weights are packed, or leave this one out");
}

Value only_result(const Function& function) {
  if (function.outputs.size() == 1) return function.outputs[0];
  std::vector<std::string> names;
  for (Value output : function.outputs) names.push_back(output->name);
  fail("--output",
       fmt::format("'{}' has {} results: {}", function.name, names.size(), listed(names)),
       "say which one the loss is of");
}

Value named_result(const Function& function, const std::string& name) {
  if (const Value found = find_result(function, name)) return found;
  const std::string near = hint_for(name, result_names(function));
  fail("--output " + name, fmt::format("'{}' has no such value", function.name), near);
}

}  // namespace

Value choose_output(const Function& function, const FinetuneOptions& o) {
  const Value output = o.output.empty() ? only_result(function) : named_result(function, o.output);
  const std::string flag = "--output " + output->name;
  if (!output->producer) fail(flag, "it is an input of the program");
  if (!output->type.is_tensor() || !is_float(output->type.dtype)) {
    fail(flag, "it is " + to_string(output->type) + ", and a loss is of floats",
         "name the value that it is made of");
  }
  const Value logits = o.loss == LossKind::kCrossEntropy ? softmax_operand(output) : nullptr;
  if (logits) {
    fail(flag, "it is the result of a softmax, which cross_entropy has in itself",
         "--output " + logits->name + " is what the softmax takes");
  }
  return output;
}

std::vector<Value> choose_constants(const Function& function, const Function& whole,
                                    const std::vector<std::string>& patterns) {
  if (patterns.empty()) fail("--train", "it is needed: the names of constants to train", "'*'");
  const std::vector<ConstantRole> roles = constant_roles(function);
  std::vector<bool> chosen(roles.size());
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (size_t i = 0; i < roles.size(); ++i) {
      refuse_packed(pattern, roles[i]);
      const bool named = roles[i].value->name == pattern && roles[i].obstacle.empty();
      if (!named && !(is_weight(roles[i]) && matches(pattern, roles[i].value->name))) continue;
      any = chosen[i] = true;
    }
    if (!any) refuse_pattern(pattern, whole, roles);
  }
  std::vector<Value> values;
  for (size_t i = 0; i < roles.size(); ++i) {
    if (chosen[i]) values.push_back(roles[i].value);
  }
  return values;
}

int64_t count_trainable(const Function& function) {
  return static_cast<int64_t>(names_of_weights(constant_roles(function)).size());
}

}  // namespace anemone
