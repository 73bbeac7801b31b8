// Reads the numbers or strings of a tensor value.
#pragma once

#include "anemone/ir/literal.h"
#include "anemone/text/cursor.h"

namespace anemone {

// "1" for a scalar; otherwise brackets nested like the shape, or one flat list. `type` is a tensor
// type; its unknown sizes become those of a nested literal.
Literal parse_tensor_literal(Cursor& cursor, const Type& type);

}  // namespace anemone
