// Where every value of a function lives: bound buffers, constants, or a place in one arena.
// Decided at compile time, so that running allocates nothing.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "anemone/devices/cpu/product_fusion.h"
#include "anemone/devices/device.h"

namespace anemone {

struct Place {
  enum class Kind : uint8_t { kArena, kInput, kOutput, kConstant } kind = Kind::kArena;
  size_t index = 0;   // of the input or output
  size_t offset = 0;  // in the arena, in bytes
  const Literal* constant = nullptr;
};

struct MemoryPlan {
  std::unordered_map<Value, Place> places;
  std::vector<const Operation*> steps;  // what runs, in order: no constants, no free views
  size_t arena_bytes = 0;
  NarrowStorage narrow;
  ProductFusion fusion;
};

// `kernels` holds one for every operation but constants; they say what may be overwritten.
// A view takes no memory and no time unless it must become an output of its own. An element-wise
// result takes the place of an operand that dies there.
// Throws Error(kInvalidInput) where a pair of `in_place` cannot be honoured.
MemoryPlan plan_memory(const Function& function, const Kernels& kernels,
                       const CompileOptions& options, NarrowStorage narrow = {});

}  // namespace anemone
