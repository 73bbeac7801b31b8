// Questions about operations and values that several passes and devices ask.
#pragma once

#include "anemone/ops/op_args.h"
#include "anemone/ops/op_def.h"

namespace anemone {

// Whether the operation's row has the trait (one of them, where several are given). An unknown
// operation has none.
bool has_trait(const Operation& op, Trait trait);

inline bool is_const(const Operation& op) { return op.type == "const"; }
inline bool is_cast(const Operation& op) { return op.type == "cast"; }
// constexpr_…: weights in a packed form. Parameters are attributes, or literals in place.
inline bool is_constexpr(const Operation& op) { return has_trait(op, Trait::kPacked); }
// `anemone.` names are ours: each has a decomposition into MIL operations.
bool is_composite(const Operation& op);
inline bool is_view(const Operation& op) { return has_trait(op, Trait::kView); }
inline bool is_product(const Operation& op) { return has_trait(op, Trait::kProduct); }
inline bool is_convolution(const Operation& op) { return has_trait(op, Trait::kConvolution); }
// conv_transpose, the gradient of a conv: its weight is [I, O / groups, ...].
bool is_conv_transpose(const Operation& op);

// Whether it costs nothing to make the result again where it is needed: constants, views of them
// and of what is there, one number everywhere.
inline bool is_free(const Operation& op) {
  return has_trait(op, Trait::kConstant | Trait::kView | Trait::kFill);
}

// Follows views to the value whose elements they show; a view of a literal in place is its own
// root.
Value root_of(Value value);
// The operation that makes the root; null where that is an input.
const Operation* root_operation(Value value);

// Whether a conv, conv_transpose or composite with the same `x` and `weight` works on every
// position alone: kernel 1x1, stride 1, no padding, one group. One product of matrices [O, C] x [C,
// H W] for each of N images.
bool is_pointwise(const OpArgs& conv);
// A pointwise one of [1, C, 1, S] without bias: a linear layer, or its gradient.
bool is_linear_layer(const Operation& op);

// The numbers that a parameter is bound to, as operand or attribute; null where it is absent,
// computed (as packed weights are) or not loaded.
const Tensor* known_numbers(const OpArgs& args, std::string_view name);

// The numbers of a `const`; null where they are not loaded, and for every other operation.
const Tensor* numbers_of_const(const Operation& op);
// Throws Error(kInvalidInput) where a `const` refers to a weight file that is not loaded.
void require_loaded(const Operation& op);

}  // namespace anemone
