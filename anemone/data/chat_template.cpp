#include "anemone/data/chat_template.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/characters.h"
#include "anemone/data/jinja_render.h"
#include "anemone/data/json_node.h"

namespace anemone {

namespace fs = std::filesystem;

const char* const kChatTemplateFiles[2] = {"chat_template.jinja", "chat_template.json"};

namespace {

constexpr size_t kLongestTemplate = size_t{1} << 20;

JinjaMap as_map(const ChatMessage& message) {
  JinjaMap map;
  map.set("role", JinjaValue(message.role));
  map.set("content", JinjaValue(message.content));
  return map;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// "bos_token": "<s>" or {"content": "<s>"}, and its like; what an earlier file names counts, and
// null is a name for none.
void read_tokens(const fs::path& path, JinjaMap& tokens) {
  if (!is_file(path)) return;
  const nlohmann::json json = parse_strict_json(read_file(path), path.string());
  if (!json.is_object()) return;
  for (const auto& item : json.items()) {
    const std::string& key = item.key();
    if (!key.ends_with("_token") || tokens.find(key) != nullptr) continue;
    const nlohmann::json& value = item.value();
    const nlohmann::json& text =
        value.is_object() && value.contains("content") ? value["content"] : value;
    if (text.is_string()) tokens.set(key, JinjaValue(text.get<std::string>()));
    if (text.is_null()) tokens.set(key, JinjaValue(JinjaUndefined{key}));
  }
}

// transformers knows a BOS and EOS of some classes of tokenizers that no file names. To leave them
// out would be another prompt.
void require_named(const std::string& text, const JinjaMap& tokens, const fs::path& path) {
  for (const char* name : {"bos_token", "eos_token"}) {
    if (text.find(name) == std::string::npos || tokens.find(name) != nullptr) continue;
    fail(path.string(),
         fmt::format("the chat template may write {}, and no file beside it names one", name),
         fmt::format("add \"{}\" to tokenizer_config.json: the token, or null", name));
  }
}

// A file of its own, or the member "chat_template": a text, or [{"name": ..., "template": ...}].
std::optional<std::string> text_in(const fs::path& path) {
  if (!is_file(path)) return std::nullopt;
  if (path.extension() == ".jinja") return read_file(path);
  const nlohmann::json json = parse_strict_json(read_file(path), path.string());
  const auto found = JsonNode(json, path.string()).find("chat_template");
  if (!found) return std::nullopt;
  if (!found->value().is_array()) return found->text();
  for (size_t i = 0; i < found->size(); ++i) {
    const JsonNode one = found->at(i);
    if (one.at("name").text() == "default") return one.at("template").text();
  }
  found->refuse("has several templates and none of the name \"default\"");
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view text, std::string where, JinjaMap tokens)
    : where_(std::move(where)), tokens_(std::move(tokens)) {
  if (text.size() > kLongestTemplate) fail(where_, "the chat template is too long to be one");
  tree_ = parse_jinja(valid_utf8(text), where_);
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool to_answer,
                                 std::time_t now) const {
  JinjaList list;
  for (const ChatMessage& message : messages) list.emplace_back(as_map(message));
  JinjaMap variables = tokens_;
  variables.set("messages", JinjaValue(std::move(list)));
  variables.set("add_generation_prompt", JinjaValue(to_answer));
  variables.set("tools", JinjaValue::none());
  variables.set("documents", JinjaValue::none());
  return render_jinja(tree_, variables, now, where_);
}

ChatTemplate read_chat_template(const fs::path& directory) {
  JinjaMap tokens;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    read_tokens(directory / name, tokens);
  }
  for (const char* name : {kChatTemplateFiles[0], "tokenizer_config.json", kChatTemplateFiles[1]}) {
    const fs::path path = directory / name;
    const std::optional<std::string> text = text_in(path);
    if (!text) continue;
    require_named(*text, tokens, path);
    return {*text, path.string(), std::move(tokens)};
  }
  fail(directory.string(), "holds no chat template: the model may not be made for chats",
       "name a format with --chat-format, or write the prompt as the model expects it");
}

Conversation::Conversation(const Tokenizer& tokenizer, ChatTemplate format, bool add_bos,
                           const std::optional<std::string>& system, std::time_t now)
    : tokenizer_(tokenizer), format_(std::move(format)), add_bos_(add_bos), now_(now) {
  if (system) messages_.push_back({"system", valid_utf8(*system)});
}

std::vector<int> Conversation::ask(std::string user) {
  messages_.push_back({"user", valid_utf8(user)});
  std::vector<int> ids =
      tokenizer_.encode(format_.render(messages_, /*to_answer=*/true, now_), add_bos_);
  if (ids.empty()) fail("--chat", "the chat template prints nothing for the message");
  return ids;
}

void Conversation::answer(std::string text) {
  messages_.push_back({"assistant", valid_utf8(text)});
}

// Looked for behind an answer that cannot be mistaken for something else.
std::optional<int> Conversation::end_of_turn() const {
  constexpr std::string_view kAnswer = "Answer-7F3A";
  const ChatMessage turn[] = {{"user", "Question"}, {"assistant", std::string(kAnswer)}};
  const std::string text = format_.render(turn, /*to_answer=*/false, now_);
  const size_t answer = text.rfind(kAnswer);
  if (answer == std::string::npos) return std::nullopt;
  const size_t behind = text.find_first_not_of(" \n", answer + kAnswer.size());
  if (behind == std::string::npos) return std::nullopt;
  const std::vector<int> ids = tokenizer_.encode(text.substr(behind), /*add_bos=*/false);
  if (ids.empty() || !tokenizer_.decode({ids.data(), 1}).empty()) return std::nullopt;
  return ids[0];
}

}  // namespace anemone
