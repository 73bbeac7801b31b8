// The families of operations, one file each. registry.cpp lists them.
#pragma once

#include <span>

#include "anemone/ops/op_def.h"

namespace anemone {

std::span<const OpDef> constant_ops();
std::span<const OpDef> elementwise_unary_ops();
std::span<const OpDef> elementwise_binary_ops();

}  // namespace anemone
