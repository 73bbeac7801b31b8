// Writes MIL types and typed values.
#pragma once

#include <string>

#include "anemone/ir/literal.h"

namespace anemone {

// How a scalar's type is spelled: "int32", or "tensor<int32, []>" before program(1.3).
enum class ScalarSpelling : uint8_t { kBare, kTensor };

void append_type(std::string& text, const Type& type, ScalarSpelling scalars);

// As parse_value reads it, tensors nested like their shape. A literal with a `blob` becomes a
// BLOBFILE reference, loaded or not.
void append_value(std::string& text, const Literal& literal, ScalarSpelling scalars);

}  // namespace anemone
