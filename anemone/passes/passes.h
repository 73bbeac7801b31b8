// The passes: each returns whether it changed the function. One file each; the order in which they
// run is in pipelines.cpp.
#pragma once

#include <set>
#include <span>
#include <string>

#include "anemone/ir/program.h"
#include "anemone/ir/stage.h"

namespace anemone {

// Replaces every composite (`anemone.`) operation by its decomposition into MIL operations.
bool decompose_composites(Function& function);

// anemone.classifier_loss becomes a conv, a softmax and an anemone.nll_loss, which can be placed
// apart.
bool separate_classifier(Function& function);

// Every fp32 value, port and constant becomes fp16. An fp32 constant beyond fp16's range becomes
// the largest fp16 number of its sign.
void to_fp16(Function& function);

// Computes operations whose operands are all constants, where the result is not larger than a
// million elements.
bool fold_constants(Function& function);

// Turns every constexpr_… operation into the constant that it stands for, of any size: what Core ML
// does for devices that have no packed weights. In place: no other operation moves. Throws
// Error(kInvalidInput) where the numbers are not loaded.
bool unpack_weights(Function& function);

// A batch_norm of what only it reads of a conv or conv_transpose becomes part of that one's weight
// and bias, where all of them are known.
bool fold_batch_norm(Function& function);

// The bias of a conv or conv_transpose becomes an addition of its own: what engines want that add
// no bias in a convolution.
bool separate_bias(Function& function);

// equal of fp32 values compares them rounded to fp16. The gradients of maxima find the greatest
// element by comparing it with the result, and where one of the two was computed in fp16 they are
// equal in nothing more.
bool compare_halves(Function& function);

// sum + reshape(matmul(x, y)) becomes matmul_add, and sum + scatter-add into zeros becomes
// scatter-add into sum (anemone.classifier_weight_gradient likewise), where `sum` is an input of
// the function: gradients that are accumulated in place. One pass over the memory less, and for
// embeddings the whole table.
bool fuse_accumulation(Function& function);

// x + conv(…), where the conv is a linear layer (or a conv_transpose its gradient) that nothing
// else reads, becomes matmul_add: residual connections, and gradients that several layers add to.
// What is added to a norm's gradient becomes its operand `sum`.
bool fuse_sums(Function& function);

// Inputs of `weights` that only linear layers and gathers read become stored_type(dtype), where
// dtype is a float type of fewer bits than fp32, int8 or int4, and are widened where they are read:
// anemone.narrow_linear and narrow_rows. In int8 and int4 each gets scales, of scale_type(), as a
// further input.
bool narrow_weights(Function& function, std::span<const std::string> weights, DType dtype);
// All stages; the scales are further weights, of which uses have the scale_parameter().
void narrow_weights(StageChain& chain, DType dtype);
std::string scale_parameter(const std::string& parameter);
// What values of that shape are stored in where `asked` is asked for: vectors in fp32, and matrices
// whose rows are no whole groups of int4 in int8.
DType stored_type(const Shape& shape, DType asked);
// Of the scales of a matrix: one for each row in int8, one for each group in int4.
Type scale_type(const Shape& shape, DType stored);

// What one of the functions returns and others take under the same name becomes `dtype` on the way,
// where nothing but matrix products (and attention's) of a device that rounds their operands to
// `dtype` reads it: the numbers stay the same. Names in `kept` stay as they are, and so do results
// of products.
bool narrow_ports(std::span<Function* const> functions, const std::set<std::string>& kept,
                  DType dtype);

// conv_transpose with a 1x1 kernel becomes a conv with the transposed constant, or a matmul where
// the weight is an input; split becomes slices.
bool lower_for_ane(Function& function);

// Puts the arguments of every operation into the order of its parameters, which programs are free
// to vary (Core ML's compiler sorts them by name): kernels find operands by position.
bool order_arguments(Function& function);

}  // namespace anemone
