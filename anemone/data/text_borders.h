// The tokens that begin and end texts: what a tokenizer.json and the files beside it say of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "anemone/data/json_node.h"

namespace anemone {

// What tokenizer_config.json, special_tokens_map.json and generation_config.json say, of which the
// earlier counts.
struct NamedBorders {
  std::string bos, eos;      // the tokens; empty: they name none
  std::vector<int> eos_ids;  // of generation_config.json, which may name several
};

// Reads those of the files that are in `directory`. Throws Error for a damaged one.
NamedBorders read_named_borders(const std::filesystem::path& directory);

// The files that read_named_borders() reads.
extern const char* const kBorderFiles[3];

// What the post-processor puts around a text, with special tokens asked for.
struct TextBorders {
  std::vector<int> front, behind;
};

// Ids below `vocab_size`. Throws Error for what is not understood: TemplateProcessing, ByteLevel,
// RobertaProcessing, BertProcessing and Sequence are.
TextBorders borders_of_text(const std::optional<JsonNode>& post_processor, int vocab_size);

}  // namespace anemone
