#include "anemone/passes/testing/composite_testing.h"

#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/tensor/compare.h"

namespace anemone {
namespace {

bool has_composites(const Function& function) {
  for (const auto& op : function.operations) {
    if (is_composite(*op)) return true;
  }
  return false;
}

}  // namespace

NamedTensors numbered_inputs(const Inputs& inputs) {
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    named["in" + std::to_string(i)] = inputs[i].tensor->clone();
  }
  return named;
}

void expect_same_outputs(const Function& a, const Function& b, const NamedTensors& inputs) {
  const NamedTensors left = evaluate(a, inputs), right = evaluate(b, inputs);
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) {
    EXPECT_LT(compare(tensor, right.at(name)).max_absolute, 1e-12) << name;
  }
}

void append_gradients(Function& f) {
  Builder builder(f);
  const Value output = f.outputs[0];
  std::vector<Value> wanted;
  for (Value input : f.inputs) {
    if (input->type.dtype == DType::kFp64) wanted.push_back(input);
  }
  const auto gradients = reverse_sweep(builder, {{output, builder.full_like(output, 1.0)}}, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    builder.output("d" + wanted[i]->name, builder.unary("identity", gradients[i]));
  }
  f.remove_unused();
}

void expect_same_values(const Inputs& inputs, const Build& build) {
  const Function composite = make_function(inputs, build);
  Function plain = composite.clone();
  ASSERT_TRUE(decompose_composites(plain));
  EXPECT_FALSE(has_composites(plain));
  expect_same_outputs(composite, plain, numbered_inputs(inputs));
}

void expect_equivalent(const Inputs& inputs, const Build& build) {
  expect_same_values(inputs, build);
  Function by_rule = make_function(inputs, build);
  Function by_decomposition = by_rule.clone();
  append_gradients(by_rule);
  decompose_composites(by_decomposition);
  append_gradients(by_decomposition);
  const NamedTensors named = numbered_inputs(inputs);
  expect_same_outputs(by_rule, by_decomposition, named);
  Function plain_rule = by_rule.clone();
  ASSERT_TRUE(decompose_composites(plain_rule));
  expect_same_outputs(by_rule, plain_rule, named);
  expect_gradients(inputs, build);
}

Tensor integers(const Shape& shape, const std::vector<int32_t>& values) {
  return Tensor::of<int32_t>(shape, values);
}

}  // namespace anemone
