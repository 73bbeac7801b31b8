#include <algorithm>

#include "anemone/base/int4.h"
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

bool has_scale(DType stored) { return stored == DType::kInt8 || stored == DType::kInt4; }

// Whether it is a weight that became narrow where `asked` was asked for.
bool is_stored(Value weight, DType asked) {
  return weight && !weight->producer &&
         weight->type.dtype == stored_type(weight->type.shape, asked);
}

std::string scale_input(const std::string& weight) { return weight + "_scale"; }

// Where a stored weight has one, its scale.
Value scale_of(Builder& b, Value weight) {
  if (!has_scale(weight->type.dtype)) return nullptr;
  return b.function().find(scale_input(weight->name));
}

Replacement narrow_linear(Builder& b, const OpArgs& args, DType dtype) {
  const Value weight = args.value("weight");
  if (!is_stored(weight, dtype)) return std::nullopt;
  std::vector<Argument> arguments = {{"x", args.value("x")}, {"weight", weight}};
  if (const Value scale = scale_of(b, weight)) arguments.push_back({"scale", scale});
  return std::vector{b.op("anemone.narrow_linear", std::move(arguments))};
}

Replacement narrow_gather(Builder& b, const OpArgs& args, DType dtype) {
  const Value table = args.value("x");
  if (!is_stored(table, dtype)) return std::nullopt;
  if (table->type.dtype == DType::kInt4) {
    return std::vector{b.op(
        "anemone.narrow_rows",
        {{"table", table}, {"scale", scale_of(b, table)}, {"indices", args.operand("indices")}})};
  }
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

DType stored_type(const Shape& shape, DType asked) {
  if (shape.size() < 2) return DType::kFp32;
  return asked == DType::kInt4 && shape[1] % kInt4Group != 0 ? DType::kInt8 : asked;
}

Type scale_type(const Shape& shape, DType stored) {
  if (stored == DType::kInt8) return Type::tensor(DType::kFp32, {shape[0]});
  return Type::tensor(DType::kFp16, {shape[0], shape[1] / kInt4Group});
}

bool narrow_weights(Function& function, std::span<const std::string> weights, DType dtype) {
  const Uses uses(function);
  std::vector<Value> stored;
  for (Value input : function.inputs) {
    const bool is_weight = std::find(weights.begin(), weights.end(), input->name) != weights.end();
    if (is_weight && may_narrow(uses, input)) stored.push_back(input);
  }
  for (Value input : stored) {
    input->type.dtype = stored_type(input->type.shape, dtype);
    if (!has_scale(input->type.dtype)) continue;
    function.add_input(scale_input(input->name), scale_type(input->type.shape, input->type.dtype));
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
