#include "anemone/runtime/partition.h"

#include <algorithm>
#include <map>

#include "anemone/ir/extract.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

// An operation's place among the segments: how many changes of side lie before it, and its side.
struct Group {
  int level = 0;
  Side side;
  std::vector<const Operation*> operations;
};

class Partitioner {
 public:
  Partitioner(const Function& function, const std::function<Side(const Operation&)>& side_of)
      : function_(function) {
    for_each_operation(function, [&](const Operation& op) {
      if (!is_free(op)) assign(op, side_of(op));
    });
    std::stable_sort(groups_.begin(), groups_.end(),
                     [](const Group& a, const Group& b) { return a.level < b.level; });
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (const Operation* op : groups_[g].operations) group_of_[op] = g;
    }
  }

  std::vector<Segment> segments() {
    std::vector<std::vector<Value>> outputs(groups_.size());
    collect_outputs(outputs);
    std::vector<Segment> result;
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (outputs[g].empty()) continue;
      const auto given = [&](Value value) {
        const Operation* source = value->producer;
        return source && !is_free(*source) && group_of_.at(source) != g;
      };
      result.push_back({extract(function_, function_.name, outputs[g], given), groups_[g].side});
    }
    return result;
  }

 private:
  // The values that `op` waits for, seen through what is free.
  static void visit_sources(const Operation& op, const std::function<void(Value)>& visit) {
    for_each_used_value(op, [&](Value value) {
      if (!value->producer) return;
      if (is_free(*value->producer)) {
        visit_sources(*value->producer, visit);
      } else {
        visit(value);
      }
    });
  }

  void assign(const Operation& op, const Side& side) {
    int level = 0;
    visit_sources(op, [&](Value source) {
      const Group& group = groups_[group_of_.at(source->producer)];
      level = std::max(level, group.level + (group.side == side ? 0 : 1));
    });
    size_t g = 0;
    while (g < groups_.size() && !(groups_[g].level == level && groups_[g].side == side)) ++g;
    if (g == groups_.size()) groups_.push_back({level, side, {}});
    groups_[g].operations.push_back(&op);
    group_of_[&op] = g;
  }

  // What each group hands out: to other groups or out of the function.
  void collect_outputs(std::vector<std::vector<Value>>& outputs) {
    const auto add = [&](size_t group, Value value) {
      std::vector<Value>& list = outputs[group];
      if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
    };
    for (Value output : function_.outputs) add(home_of(*output->producer), output);
    for_each_operation(function_, [&](const Operation& op) {
      if (is_free(op)) return;
      const size_t g = group_of_.at(&op);
      visit_sources(op, [&](Value value) {
        const size_t home = group_of_.at(value->producer);
        if (home != g) add(home, value);
      });
    });
  }

  // Where an output of the function is computed; one that is free of sources goes with the first.
  size_t home_of(const Operation& op) {
    if (!is_free(op)) return group_of_.at(&op);
    size_t home = 0;
    visit_sources(op, [&](Value source) { home = group_of_.at(source->producer); });
    return home;
  }

  const Function& function_;
  std::vector<Group> groups_;
  std::map<const Operation*, size_t> group_of_;
};

}  // namespace

std::vector<Segment> partition(const Function& function,
                               const std::function<Side(const Operation&)>& side_of) {
  return Partitioner(function, side_of).segments();
}

}  // namespace anemone
