// Reads MIL types and typed values.
#pragma once

#include "anemone/ir/literal.h"
#include "anemone/text/cursor.h"

namespace anemone {

// Tensor types have at most 16 axes and 2^40 elements (sizes 0 and "?" counted as 1); types nest at
// most 16 deep. tensor<int32, []> is the scalar type int32.
Type parse_type(Cursor& cursor);

// "int32(1)", "tensor<fp16, [2]>([0x1p+0, 0.5])", "tensor<fp16, [2, 4]>(BLOBFILE(path = …, offset =
// …))", … Tensors are written nested like their shape, or flat. Unknown sizes of a tensor value's
// type become those of what is written; in the types of collections they stay unknown.
Literal parse_value(Cursor& cursor);

// Whether a name begins a type with parameters in "<…>": tensor, list, ….
bool is_generic_type(const Token& token);

}  // namespace anemone
