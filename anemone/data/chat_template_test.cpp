#include "anemone/data/chat_template.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/data/chat_format.h"

namespace anemone {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::filesystem::path kGolden = ANEMONE_SOURCE_DIR "/tests/golden";

constexpr const char* kChatml =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// Noon of 5 March 2025, the day of the golden texts.
std::time_t golden_day() {
  std::tm day{};
  day.tm_year = 125;
  day.tm_mon = 2;
  day.tm_mday = 5;
  day.tm_hour = 12;
  day.tm_isdst = -1;
  return std::mktime(&day);
}

// Made by make_chat_templates.py with transformers.
const json& golden() {
  static const json all = json::parse(read_file(kGolden / "chat_templates.json"));
  return all;
}

std::vector<ChatMessage> golden_chat(const json& one) {
  std::vector<ChatMessage> chat;
  for (const json& message : golden()["chats"][one["chat"].get<size_t>()]) {
    chat.push_back({message["role"], message["content"]});
  }
  return chat;
}

ChatTemplate golden_template(const std::string& name) {
  JinjaMap tokens;
  for (const auto& item : golden()["tokens"].items()) {
    tokens.set(item.key(), JinjaValue(item.value().get<std::string>()));
  }
  return {golden()["templates"][name].get<std::string>(), name, std::move(tokens)};
}

std::string error_of(const std::filesystem::path& directory) {
  try {
    read_chat_template(directory);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string text_of(const ChatTemplate& chat, const std::string& message = "hi") {
  const ChatMessage messages[] = {{"user", message}};
  return chat.render(messages, /*to_answer=*/true, golden_day());
}

std::unique_ptr<Tokenizer> tokenizer_of(const char* shape) {
  return load_tokenizer(kGolden / "tokenizers" / (std::string(shape) + ".json"));
}

TEST(ChatTemplate, TextsAreThoseOfTransformers) {
  int refused = 0;
  for (const json& one : golden()["cases"]) {
    const auto chat = golden_template(one["template"].get<std::string>());
    const std::string name = one.dump();
    if (one["text"].is_null()) {
      EXPECT_THROW(chat.render(golden_chat(one), one["to_answer"], golden_day()), Error) << name;
      ++refused;
      continue;
    }
    EXPECT_EQ(chat.render(golden_chat(one), one["to_answer"], golden_day()),
              one["text"].get<std::string>())
        << name;
  }
  EXPECT_GT(refused, 0);
}

// Where public templates of the same name write BOS, the format leaves it to the tokenizer.
TEST(ChatFormat, NamedFormatsAreThoseOfTheirTemplates) {
  for (const json& one : golden()["cases"]) {
    const auto name = one["template"].get<std::string>();
    const auto names = chat_format_names();
    const bool named = std::find(names.begin(), names.end(), name) != names.end();
    // Two messages of one side in a row, and line ends of zephyr's own, are not compared.
    if (!named || one["text"].is_null() || one["chat"] == 6 || one["to_answer"] == false) continue;
    auto wanted = one["text"].get<std::string>();
    if (wanted.starts_with("<s>")) wanted.erase(0, 3);
    EXPECT_EQ(chat_format(name).render(golden_chat(one), true, golden_day()), wanted) << one;
  }
}

TEST(ChatFormat, ATokenizerWithoutTheTokensIsRefused) {
  require_chat_tokens("chatml", *tokenizer_of("qwen2"));
  require_chat_tokens("mistral-v3", *tokenizer_of("mistral"));
  require_chat_tokens("llama2", *tokenizer_of("llama2"));
  try {
    require_chat_tokens("gemma", *tokenizer_of("qwen2"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the tokenizer has no token <start_of_turn>"));
  }
}

TEST(ChatTemplate, IsFoundWhereTransformersFindsIt) {
  const TestDirectory dir;
  EXPECT_THAT(error_of(dir.path()), HasSubstr("holds no chat template"));
  write_file(dir / "chat_template.json", R"({"chat_template": "of a processor"})");
  EXPECT_EQ(text_of(read_chat_template(dir.path())), "of a processor");
  write_file(dir / "tokenizer_config.json",
             R"({"bos_token": {"content": "<s>"}, "eos_token": null, "chat_template":
                 [{"name": "tool_use", "template": "no"},
                  {"name": "default", "template": "{{ bos_token }}|{{ eos_token }}|"}]})");
  EXPECT_EQ(text_of(read_chat_template(dir.path())), "<s>||");
  write_file(dir / "chat_template.jinja", "{{ bos_token + messages[0].content }}\n");
  EXPECT_EQ(text_of(read_chat_template(dir.path())), "<s>hi");
}

TEST(ChatTemplate, WhatCannotBeKnownIsRefused) {
  const TestDirectory dir;
  write_file(dir / "tokenizer_config.json",
             R"({"chat_template": [{"name": "rag", "template": "no"}]})");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("none of the name \"default\""));
  write_file(dir / "tokenizer_config.json", R"({"chat_template": "{{ bos_token }}"})");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("may write bos_token, and no file beside it names"));
  write_file(dir / "special_tokens_map.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(text_of(read_chat_template(dir.path())), "<s>");
  write_file(dir / "tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("chat_template: 5 is no string"));
  write_file(dir / "tokenizer_config.json", R"({"chat_template": "{% call x %}"})");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("--chat-format"));
}

TEST(Conversation, AsksWithAllThatWasSaid) {
  const auto tokenizer = tokenizer_of("qwen2");
  Conversation chat(*tokenizer, ChatTemplate(kChatml, "t"), /*add_bos=*/false, "be brief", 0);
  EXPECT_EQ(chat.end_of_turn(), 422);
  const auto first = chat.ask("Hi");
  EXPECT_EQ(first, tokenizer->encode("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nHi"
                                     "<|im_end|>\n<|im_start|>assistant\n",
                                     false));
  chat.answer("Yes");
  EXPECT_EQ(chat.ask("So?"),
            tokenizer->encode("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nHi"
                              "<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n<|im_start|>user\n"
                              "So?<|im_end|>\n<|im_start|>assistant\n",
                              false));
}

TEST(Conversation, BosComesOnceFromTheTemplateOrFromTheTokenizer) {
  const auto tokenizer = tokenizer_of("mistral");
  const auto own = golden_template("mistral-v3");
  Conversation by_template(*tokenizer, own, /*add_bos=*/false, std::nullopt, 0);
  Conversation by_name(*tokenizer, chat_format("mistral-v3"), /*add_bos=*/true, std::nullopt, 0);
  const std::vector<int> ids = by_name.ask("cat");
  EXPECT_EQ(by_template.ask("cat"), ids);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1), 1);
  EXPECT_EQ(by_name.end_of_turn(), 2);  // </s>, behind no blank
}

TEST(Conversation, AnEndOfTurnThatIsTextIsNone) {
  const auto tokenizer = tokenizer_of("qwen2");
  const ChatTemplate plain(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\nEND\n{% endfor %}", "t");
  EXPECT_EQ(Conversation(*tokenizer, plain, false, std::nullopt, 0).end_of_turn(), std::nullopt);
}

TEST(Conversation, ATemplateThatPrintsNothingIsAnError) {
  const auto tokenizer = tokenizer_of("qwen2");
  Conversation chat(*tokenizer, ChatTemplate("{# #}", "t"), false, std::nullopt, 0);
  EXPECT_THROW(chat.ask("Hi"), Error);
}

}  // namespace
}  // namespace anemone
