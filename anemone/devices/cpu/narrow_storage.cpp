#include "anemone/devices/cpu/narrow_storage.h"

#include <vector>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

bool is_cast_of_bf16(const Operation& op) {
  if (!is_cast(op)) return false;
  const DType from = OpArgs(op).type("x").dtype, to = op.outputs[0]->type.dtype;
  return (from == DType::kBf16 && to == DType::kFp32) ||
         (from == DType::kFp32 && to == DType::kBf16);
}

// Values that would share their memory: one that is computed or bound, its views and casts.
struct Group {
  std::vector<Value> values;
  std::vector<const Operation*> casts;
  bool possible = true;
};

class Finder {
 public:
  Finder(const Function& function, const Kernels& kernels)
      : function_(function), kernels_(kernels) {}

  NarrowStorage run() {
    for (Value input : function_.inputs) begin_group(input, input->type.dtype == DType::kBf16);
    for_each_operation(function_, [&](const Operation& op) { visit(op); });
    for (Value output : function_.outputs) {
      if (output->type.dtype != DType::kBf16) group_of(output).possible = false;
    }
    NarrowStorage result;
    for (const Group& group : groups_) {
      if (!group.possible) continue;
      for (Value value : group.values) {
        if (value->type.dtype == DType::kFp32) result.values.insert(value);
      }
      result.casts.insert(group.casts.begin(), group.casts.end());
    }
    return result;
  }

 private:
  Group& group_of(Value value) { return groups_[group_.at(value)]; }

  void begin_group(Value value, bool possible) {
    group_[value] = groups_.size();
    groups_.push_back({{value}, {}, possible});
  }

  void visit(const Operation& op) {
    const bool cast = is_cast_of_bf16(op);
    const Value source = cast || is_view(op) ? OpArgs(op).value("x") : nullptr;
    if (source) {
      group_[op.outputs[0]] = group_.at(source);
      group_of(source).values.push_back(op.outputs[0]);
      if (cast) group_of(source).casts.push_back(&op);
      return;
    }
    const Kernel& kernel = *kernels_.at(&op);
    size_t position = 0;
    for (const Argument& argument : op.arguments) {
      for (const Operand& operand : argument.operands) {
        const size_t here = position++;
        if (operand.value) read(operand.value, kernel.reads_bf16(here));
      }
    }
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      const bool narrow = op.outputs[i]->type.dtype == DType::kBf16;
      begin_group(op.outputs[i], !is_const(op) && (narrow || kernel.writes_bf16(i)));
    }
  }

  void read(Value value, bool as_bf16) {
    if (value->type.dtype != DType::kBf16 && !as_bf16) group_of(value).possible = false;
  }

  const Function& function_;
  const Kernels& kernels_;
  std::vector<Group> groups_;
  std::unordered_map<Value, size_t> group_;
};

}  // namespace

size_t NarrowStorage::bytes(Value value) const {
  return byte_size(dtype(value), element_count(value->type.shape));
}

bool NarrowStorage::is_free(const Operation& op) const {
  return is_view(op) || casts.contains(&op);
}

NarrowStorage find_narrow_storage(const Function& function, const Kernels& kernels) {
  return Finder(function, kernels).run();
}

}  // namespace anemone
