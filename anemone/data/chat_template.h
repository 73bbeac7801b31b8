// The turns of a chat as one text: by the template that comes with a model, or a named format.
#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/data/jinja_parser.h"
#include "anemone/data/jinja_value.h"
#include "anemone/data/tokenizer.h"

namespace anemone {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// A Jinja template that prints messages.
class ChatTemplate {
 public:
  // `tokens` are bos_token and its like. Throws Error at `where` for a template that is damaged or
  // has tags that are not read; what it does with messages shows when it is rendered.
  ChatTemplate(std::string_view text, std::string where, JinjaMap tokens = {});

  // The text of `messages`, with the beginning of the answer behind where `to_answer` is set.
  // `now`: for templates that print the date. Throws Error for what the template refuses, and for
  // what is not read of it.
  std::string render(std::span<const ChatMessage> messages, bool to_answer, std::time_t now) const;

 private:
  std::string where_;
  JinjaNode tree_;
  JinjaMap tokens_;
};

// The template that transformers takes for the tokenizer in `directory`: of chat_template.jinja,
// tokenizer_config.json (one, or the "default" of several) and chat_template.json the first that is
// there. Throws Error where there is none, or it is damaged.
ChatTemplate read_chat_template(const std::filesystem::path& directory);

// The files, besides tokenizer_config.json, that hold a template.
extern const char* const kChatTemplateFiles[2];

// A chat on its way: what was said, and the ids that a model goes on from.
class Conversation {
 public:
  // Borrows the tokenizer. `add_bos`: begin as texts of the vocabulary do; a model's own template
  // writes BOS itself. Without `system` the template may have a text of its own.
  Conversation(const Tokenizer& tokenizer, ChatTemplate format, bool add_bos,
               const std::optional<std::string>& system, std::time_t now);

  // The ids of all that was said and of the user's next message, up to the beginning of the answer.
  std::vector<int> ask(std::string user);
  void answer(std::string text);

  // The token that ends an answer, where it is one that gives no text: texts of the vocabulary may
  // end with another.
  std::optional<int> end_of_turn() const;

 private:
  const Tokenizer& tokenizer_;
  ChatTemplate format_;
  bool add_bos_;
  std::vector<ChatMessage> messages_;
  std::time_t now_;
};

}  // namespace anemone
