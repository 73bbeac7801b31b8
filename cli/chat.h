// `generate --chat`: what a chat says and asks, by the template of the model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "anemone/data/chat_template.h"
#include "anemone/data/tokenizer.h"
#include "cli/commands.h"

namespace anemone::cli {

struct ChatOptions {
  bool chat = false;
  std::string format;                 // empty: the model's own template
  std::optional<std::string> system;  // a text may be empty

  void add_to(CLI::App& app);
  bool on() const { return chat || !format.empty(); }
};

// The tokenizer.json of the directory or file that --tokenizer or --model names: chats need one,
// for it knows the tokens between turns. Throws Error where there is none.
std::string chat_tokenizer_path(const std::string& given);

// `path`: of the tokenizer, which the model's template stands beside.
Conversation begin_chat(const ChatOptions& options, const Tokenizer& tokenizer,
                        const std::string& path);

// Calls `answer` with each line of standard input that is not empty, up to its end; a terminal
// shows when a line is waited for.
void for_each_line(const std::function<void(const std::string& line)>& answer);

}  // namespace anemone::cli
