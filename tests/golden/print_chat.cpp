// Prints chats by their templates, for tools/check_chat_templates.py: a line of standard input is
// {"template" or "format": ..., "tokens": {...}, "messages": [...], "to_answer": ...}, a line of
// standard output {"text": ...} or {"error": ...}.
#include <fmt/format.h>

#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "anemone/base/error.h"
#include "anemone/data/chat_format.h"
#include "anemone/data/chat_template.h"

namespace {

using nlohmann::json;

anemone::ChatTemplate template_of(const json& one) {
  if (one.contains("format")) return anemone::chat_format(one["format"].get<std::string>());
  anemone::JinjaMap tokens;
  for (const auto& item : one["tokens"].items()) {
    tokens.set(item.key(), anemone::JinjaValue(item.value().get<std::string>()));
  }
  return {one["template"].get<std::string>(), "template", std::move(tokens)};
}

json answer_to(const json& one) {
  std::vector<anemone::ChatMessage> messages;
  for (const json& message : one["messages"]) {
    messages.push_back({message["role"], message["content"]});
  }
  try {
    const bool to_answer = one["to_answer"].get<bool>();
    return {{"text", template_of(one).render(messages, to_answer, std::time(nullptr))}};
  } catch (const anemone::Error& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", answer_to(json::parse(line)).dump());
  }
  return 0;
}
