// cond and while_loop: their blocks run as programs of their own.
#pragma once

#include <functional>
#include <memory>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/devices/device.h"

namespace anemone {

using CompileBlock = std::function<std::unique_ptr<Executable>(Function function)>;

// The kernel of an operation with closed blocks (passes/close_blocks.h). Operands are copied into
// the block's buffers and results out of them.
std::unique_ptr<Kernel> make_control_kernel(const Operation& op, const CompileBlock& compile);

}  // namespace anemone
