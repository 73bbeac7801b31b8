#include "anemone/devices/cpu/memory_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "anemone/ir/uses.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

// Memory shared by one or more values: a tensor, its views, and what overwrites it.
struct Storage {
  Place place;
  size_t bytes = 0;
  int first = 0, last = 0;  // operations between which it is alive
};

class Planner {
 public:
  Planner(const Function& function, const Kernels& kernels, const CompileOptions& options,
          NarrowStorage narrow)
      : function_(function), uses_(function), kernels_(kernels), options_(options) {
    plan_.narrow = std::move(narrow);
    plan_.fusion = find_product_fusion(function, kernels, plan_.narrow);
  }

  MemoryPlan run() {
    extend_uses_of_products();
    place_outputs();
    for (size_t i = 0; i < function_.inputs.size(); ++i) {
      assign(function_.inputs[i], {Place::Kind::kInput, i, 0, nullptr});
    }
    for_each_operation(function_, [&](const Operation& op) { visit(op, position(op)); });
    check_in_place_pairs();
    lay_out_arena();
    for (const auto& [value, storage] : storage_of_) {
      plan_.places[value] = storages_[storage].place;
    }
    return std::move(plan_);
  }

 private:
  // Operands of a product are read while its epilogue writes.
  void extend_uses_of_products() {
    const Operation* before = nullptr;
    for_each_operation(function_, [&](const Operation& op) {
      if (plan_.fusion.epilogues.contains(&op)) {
        for_each_used_value(*before, [&](Value value) {
          last_use_[value] = std::max(last_use(value), position(op));
        });
      }
      if (!is_const(op) && !is_free(op)) before = &op;
    });
  }

  int position(const Operation& op) const { return static_cast<int>(uses_.position(&op)); }

  bool is_free(const Operation& op) const { return plan_.narrow.is_free(op); }

  size_t assign(Value value, Place place) {
    const size_t bytes = is_static(value->type.shape) ? plan_.narrow.bytes(value) : 0;
    storages_.push_back({place, bytes, 0, last_use(value)});
    storage_of_[value] = storages_.size() - 1;
    return storages_.size() - 1;
  }

  int last_use(Value value) const {
    const auto extended = last_use_.find(value);
    if (extended != last_use_.end()) return extended->second;
    const size_t last = uses_.last_use(value);
    return last == Uses::kNever ? -1 : static_cast<int>(last);
  }

  void place_outputs() {
    for (size_t i = 0; i < function_.outputs.size(); ++i) {
      const Value output = function_.outputs[i];
      if (storage_of_.contains(output)) {
        fail("output '" + output->name + "'", "a function returns it twice");
      }
      if (!output->producer) fail("output '" + output->name + "'", "it is an input");
      assign(output, {Place::Kind::kOutput, i, 0, nullptr});
    }
    // A view that is returned gives its memory to what it is a view of.
    for (Value output : function_.outputs) hand_down(output);
  }

  // Lets the source of a chain of views be computed where its last view must end up.
  void hand_down(Value output) {
    const size_t storage = storage_of_.at(output);
    Value value = output;
    while (value->producer && is_free(*value->producer)) {
      value = OpArgs(*value->producer).value("x");
      if (!value || !value->producer || is_const(*value->producer) || storage_of_.contains(value)) {
        return;
      }
      storage_of_[value] = storage;
      storages_[storage].last = std::max(storages_[storage].last, last_use(value));
    }
  }

  void visit(const Operation& op, int index) {
    if (is_const(op)) {
      if (!storage_of_.contains(op.outputs[0])) {
        assign(op.outputs[0], {Place::Kind::kConstant, 0, 0, op.attribute("val")});
        return;
      }
      plan_.steps.push_back(&op);  // a constant that is returned is copied out
      return;
    }
    if (is_free(op) && share_with_source(op)) return;
    plan_.steps.push_back(&op);
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (storage_of_.contains(op.outputs[i])) {
        storages_[storage_of_.at(op.outputs[i])].first = index;
        continue;
      }
      if (overwrite_operand(op, i, index)) continue;
      storages_[assign(op.outputs[i], {})].first = index;
      Storage& storage = storages_.back();
      storage.last = std::max(storage.last, index);
    }
  }

  // Whether the view costs nothing: it already has its source's memory, or takes it now.
  bool share_with_source(const Operation& op) {
    const Value source = OpArgs(op).value("x"), result = op.outputs[0];
    if (!source) return false;
    const size_t storage = storage_of_.at(source);
    if (storage_of_.contains(result)) return storage_of_.at(result) == storage;
    storage_of_[result] = storage;
    storages_[storage].last = std::max(storages_[storage].last, last_use(result));
    return true;
  }

  bool overwrite_operand(const Operation& op, size_t output, int index) {
    for (size_t candidate : overwritable(op, output)) {
      if (holds_result_before(op, output, candidate)) continue;
      Storage& storage = storages_[candidate];
      if (storage.place.kind != Place::Kind::kArena || storage.last > index ||
          storage.bytes != plan_.narrow.bytes(op.outputs[output])) {
        continue;
      }
      storage_of_[op.outputs[output]] = candidate;
      storage.last = std::max(index, last_use(op.outputs[output]));
      return true;
    }
    return false;
  }

  // Whether an earlier result of the operation has taken the storage (one that nobody reads does
  // not keep it alive beyond the operation).
  bool holds_result_before(const Operation& op, size_t output, size_t storage) const {
    for (size_t i = 0; i < output; ++i) {
      if (storage_of_.at(op.outputs[i]) == storage) return true;
    }
    return false;
  }

  // Storages of operands that the kernel may write the output over. One that also holds an operand
  // which must stay whole (the sum of a product may be one of its factors) is none of them.
  std::vector<size_t> overwritable(const Operation& op, size_t output) const {
    const Kernel& kernel = *kernels_.at(&op);
    std::vector<size_t> result, whole;
    size_t position = 0;
    for (const Argument& argument : op.arguments) {
      for (const Operand& operand : argument.operands) {
        const size_t here = position++;
        if (!operand.value) continue;
        auto& list = kernel.may_overwrite(here, output) ? result : whole;
        list.push_back(storage_of_.at(operand.value));
      }
    }
    std::erase_if(result, [&](size_t storage) { return contains(whole, storage); });
    return result;
  }

  static bool contains(const std::vector<size_t>& storages, size_t storage) {
    return std::find(storages.begin(), storages.end(), storage) != storages.end();
  }

  // An updated input must die in the operation that writes the output over it.
  void check_in_place_pairs() {
    for (const auto& [from, to] : options_.in_place) {
      const Value input = function_.find(from), output = function_.find(to);
      if (!is_one_of(function_.inputs, input) || !is_one_of(function_.outputs, output)) {
        fail("'" + from + "' → '" + to + "'", "there is no such in-place pair");
      }
      if (!updates(written_value(output), storage_of_.at(input))) {
        fail("output '" + to + "'", "it cannot be written over input '" + from + "'",
             "the operation that makes it must be the last to read that input");
      }
    }
  }

  static bool is_one_of(const std::vector<Value>& values, Value value) {
    return std::find(values.begin(), values.end(), value) != values.end();
  }

  // The value whose computation fills the storage of an output: what it is a view of.
  Value written_value(Value output) const {
    Value value = output;
    while (value->producer && is_free(*value->producer)) {
      const Value source = OpArgs(*value->producer).value("x");
      if (!source || storage_of_.at(source) != storage_of_.at(output)) break;
      value = source;
    }
    return value;
  }

  bool updates(Value written, size_t input_storage) const {
    const Operation* writer = written->producer;
    if (!writer || is_const(*writer)) return false;
    if (storages_[input_storage].last > position(*writer)) return false;
    const auto output = std::find(writer->outputs.begin(), writer->outputs.end(), written);
    const auto position = static_cast<size_t>(output - writer->outputs.begin());
    return contains(overwritable(*writer, position), input_storage);
  }

  // Largest first, each at the lowest offset that is free for as long as it lives.
  void lay_out_arena() {
    std::vector<size_t> order(storages_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return storages_[a].bytes > storages_[b].bytes; });
    std::vector<const Storage*> placed;  // sorted by offset
    for (size_t candidate : order) {
      Storage& storage = storages_[candidate];
      if (storage.place.kind != Place::Kind::kArena) continue;
      const size_t size = (storage.bytes + kAlignment - 1) / kAlignment * kAlignment;
      size_t offset = 0;
      for (const Storage* other : placed) {
        if (other->last < storage.first || storage.last < other->first) continue;
        if (other->place.offset >= offset + size) break;
        const size_t end = other->place.offset + other->bytes;
        offset = std::max(offset, (end + kAlignment - 1) / kAlignment * kAlignment);
      }
      storage.place.offset = offset;
      plan_.arena_bytes = std::max(plan_.arena_bytes, offset + size);
      placed.insert(std::upper_bound(placed.begin(), placed.end(), &storage,
                                     [](const Storage* a, const Storage* b) {
                                       return a->place.offset < b->place.offset;
                                     }),
                    &storage);
    }
  }

  const Function& function_;
  const Uses uses_;
  const Kernels& kernels_;
  const CompileOptions& options_;
  std::unordered_map<Value, int> last_use_;
  std::vector<Storage> storages_;
  std::unordered_map<Value, size_t> storage_of_;
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const Function& function, const Kernels& kernels,
                       const CompileOptions& options, NarrowStorage narrow) {
  return Planner(function, kernels, options, std::move(narrow)).run();
}

}  // namespace anemone
