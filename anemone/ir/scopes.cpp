#include "anemone/ir/scopes.h"

#include <algorithm>

namespace anemone {

Value Scopes::define(const std::string& name, Type type, Operation* producer) {
  const std::string own = find(name) ? name : function_.fresh_name(name);
  const Value value = function_.add_variable(own, std::move(type), producer);
  names_.back().emplace(name, value);
  return value;
}

Value Scopes::find(const std::string& name) const {
  for (auto scope = names_.rbegin(); scope != names_.rend(); ++scope) {
    if (const auto found = scope->find(name); found != scope->end()) return found->second;
  }
  return nullptr;
}

std::vector<std::string_view> Scopes::names() const {
  std::vector<std::string_view> result;
  for (const auto& scope : names_) {
    for (const auto& [name, value] : scope) result.push_back(name);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace anemone
