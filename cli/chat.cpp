#include "cli/chat.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <iostream>

#include "anemone/base/file.h"
#include "anemone/data/chat_format.h"
#include "anemone/data/file_kind.h"
#include "cli/terminal.h"

namespace anemone::cli {

namespace fs = std::filesystem;

void ChatOptions::add_to(CLI::App& app) {
  app.add_flag("--chat", chat,
               "--prompt is a user's message, for the chat template of the model; without --prompt "
               "each line of standard input is");
  app.add_option("--system", system, "What the system says before the chat");
  app.add_option("--chat-format", format, "Take this format instead of the model's template")
      ->check(CLI::IsMember(chat_format_names()));
}

std::string chat_tokenizer_path(const std::string& given) {
  std::error_code ignored;
  const fs::path inside = fs::path(given) / "tokenizer.json";
  const fs::path path = fs::is_regular_file(inside, ignored) ? inside : tokenizer_file(given);
  if (fs::is_regular_file(path, ignored) &&
      file_kind(read_file(path)) == FileKind::kTokenizerJson) {
    return path.string();
  }
  fail("--chat",
       fmt::format("{} is no tokenizer.json, which knows the tokens between turns", path.string()),
       "give one with --tokenizer");
}

Conversation begin_chat(const ChatOptions& options, const Tokenizer& tokenizer,
                        const std::string& path) {
  const bool named = !options.format.empty();
  if (named) require_chat_tokens(options.format, tokenizer);
  return {tokenizer,
          named ? chat_format(options.format) : read_chat_template(fs::path(path).parent_path()),
          /*add_bos=*/named, options.system, std::time(nullptr)};
}

void for_each_line(const std::function<void(const std::string& line)>& answer) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  for (std::string line;;) {
    if (terminal) print("> ");
    if (!std::getline(std::cin, line)) break;
    if (!line.empty()) answer(line);
  }
  if (terminal) print("\n");
}

}  // namespace anemone::cli
