#include "anemone/ir/uses.h"

#include "anemone/ir/walk.h"

namespace anemone {

Uses::Uses(const Function& function) {
  for (const auto& op : function.operations) {
    position_.emplace(op.get(), position_.size());
    for_each_used_value(*op, [&](Value value) { readers_[value].push_back(op.get()); });
  }
  for (Value output : function.outputs) readers_[output].push_back(nullptr);
}

std::span<Operation* const> Uses::readers(Value value) const {
  const auto found = readers_.find(value);
  if (found == readers_.end()) return {};
  return found->second;
}

Operation* Uses::only_reader(Value value) const {
  const auto all = readers(value);
  return all.size() == 1 ? all[0] : nullptr;
}

size_t Uses::last_use(Value value) const {
  const auto all = readers(value);
  if (all.empty()) return kNever;
  return all.back() ? position(all.back()) : position_.size();
}

}  // namespace anemone
