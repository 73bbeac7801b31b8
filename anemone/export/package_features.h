// What a package says of a Llama model to people and to programs that drive it.
#pragma once

#include "anemone/export/transformer_package.h"

namespace anemone {

// Descriptions of every port of `program`, and user-defined metadata: `model`, `context_length`,
// `vocab_size`, `bos_token_id`, `eos_token_id` (numbers with commas between them).
ModelInfo package_info(const Program& program, const TransformerConfig& config,
                       const TransformerPackageOptions& options);

}  // namespace anemone
