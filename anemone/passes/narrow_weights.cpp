#include <algorithm>

#include "anemone/ir/stage.h"
#include "anemone/ir/uses.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/rewrite.h"

namespace anemone {
namespace {

constexpr const char *kTable = "gather", *kLayer = "conv";

// Linear layers and tables are all that is known to widen what it reads.
bool reads_narrow(const Operation& op, Value weight) {
  const OpArgs args(op);
  if (op.type == kTable) return args.value("x") == weight;
  return op.type == kLayer && is_linear_layer(op) && args.value("weight") == weight;
}

bool may_narrow(const Uses& uses, Value input) {
  if (input->type.dtype != DType::kFp32 || input->type.shape.size() < 2) return false;
  const auto readers = uses.readers(input);
  return std::all_of(readers.begin(), readers.end(), [&](const Operation* reader) {
    return reader && reads_narrow(*reader, input);
  });
}

std::string scale_input(const std::string& weight) { return weight + "_scale"; }

// Where a stored weight has one, its scale.
Value scale_of(Builder& b, Value weight) {
  if (weight->type.dtype != DType::kInt8) return nullptr;
  return b.function().find(scale_input(weight->name));
}

Replacement narrow_linear(Builder& b, const OpArgs& args, DType dtype) {
  const Value weight = args.value("weight");
  if (!weight || weight->type.dtype != dtype) return std::nullopt;
  std::vector<Argument> arguments = {{"x", args.value("x")}, {"weight", weight}};
  if (const Value scale = scale_of(b, weight)) arguments.push_back({"scale", scale});
  return std::vector{b.op("anemone.narrow_linear", std::move(arguments))};
}

Replacement narrow_gather(Builder& b, const OpArgs& args, DType dtype) {
  const Value table = args.value("x");
  if (!table || table->type.dtype != dtype) return std::nullopt;
  const auto pick = [&](Value from) {
    return b.op(
        kTable,
        {{"x", from}, {"indices", args.operand("indices")}, {"axis", args.operand("axis")}});
  };
  const Value rows = b.cast(pick(table), DType::kFp32);
  const Value scale = scale_of(b, table);
  if (!scale) return std::vector{rows};
  return std::vector{b.mul(rows, b.reshape(pick(scale), {rows->type.shape[0], 1}))};
}

// The scales that narrow_weights() gave a stage, as its weights.
void bind_scales(StageChain& chain, size_t index) {
  Stage& stage = chain.stages[index];
  const size_t count = stage.weights.size();
  for (size_t w = 0; w < count; ++w) {
    const std::string scale = scale_input(stage.weights[w]);
    if (!stage.function.find(scale)) continue;
    stage.weights.push_back(scale);
    for (StageUse& use : chain.uses) {
      if (use.stage == index) use.parameters.push_back(scale_parameter(use.parameters[w]));
    }
  }
}

}  // namespace

bool narrow_weights(Function& function, std::span<const std::string> weights, DType dtype) {
  const Uses uses(function);
  std::vector<Value> stored;
  for (Value input : function.inputs) {
    const bool is_weight = std::find(weights.begin(), weights.end(), input->name) != weights.end();
    if (is_weight && may_narrow(uses, input)) stored.push_back(input);
  }
  for (Value input : stored) {
    input->type.dtype = dtype;
    if (dtype != DType::kInt8) continue;
    function.add_input(scale_input(input->name),
                       Type::tensor(DType::kFp32, {input->type.shape[0]}));
  }
  const auto with = [&](auto narrow) {
    return [=](Builder& b, const OpArgs& args) { return narrow(b, args, dtype); };
  };
  return rewrite(function, {{kTable, with(narrow_gather)}, {kLayer, with(narrow_linear)}});
}

void narrow_weights(StageChain& chain, DType dtype) {
  for (size_t i = 0; i < chain.stages.size(); ++i) {
    narrow_weights(chain.stages[i].function, chain.stages[i].weights, dtype);
    bind_scales(chain, i);
  }
}

std::string scale_parameter(const std::string& parameter) { return parameter + ".scale"; }

}  // namespace anemone
