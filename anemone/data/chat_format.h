// Formats of chats by name, for models whose template is missing or not read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/chat_template.h"

namespace anemone {

// llama3, chatml, gemma, mistral-v1, mistral-v3, mistral-v3-tekken, llama2, zephyr, phi3.
std::vector<std::string> chat_format_names();

// The format as a template that writes no BOS. Throws Error for a name that is none.
ChatTemplate chat_format(std::string_view name);

// Throws Error where the tokenizer lacks a token of the format: its letters would be encoded one by
// one, which no model has seen.
void require_chat_tokens(std::string_view name, const Tokenizer& tokenizer);

}  // namespace anemone
