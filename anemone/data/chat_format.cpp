#include "anemone/data/chat_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "anemone/base/error.h"

namespace anemone {
namespace {

struct NamedFormat {
  const char* name;
  std::vector<std::string_view> tokens;  // not text, whatever the vocabulary
  const char* text;
};

// What differs between the formats: the words around a turn, the blanks, whether ends of messages
// are trimmed, and where the system's text goes that has no turn of its own.
const NamedFormat kFormats[] = {
    {"llama3",
     {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     R"({% for m in messages -%}
{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}
{%- endfor -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' if add_generation_prompt }})"},

    {"chatml",
     {"<|im_start|>", "<|im_end|>"},
     R"({% for m in messages -%}
{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endfor -%}
{{ '<|im_start|>assistant\n' if add_generation_prompt }})"},

    {"gemma",
     {"<start_of_turn>", "<end_of_turn>"},
     R"({% set ns = namespace(system='') -%}
{% for m in messages -%}
{% if m.role == 'system' %}{% set ns.system = m.content + '\n\n' %}{% else -%}
{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else 'user') + '\n' }}
{{- ns.system + m.content | trim + '<end_of_turn>\n' }}{% set ns.system = '' %}
{%- endif %}
{%- endfor -%}
{{ '<start_of_turn>model\n' if add_generation_prompt }})"},

    {"mistral-v1",
     {"</s>"},
     R"({% set ns = namespace(system='') -%}
{% for m in messages -%}
{% if m.role == 'system' %}{% set ns.system = m.content + '\n\n' %}
{%- elif m.role == 'user' -%}
{{ ' [INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' %}
{%- else %}{{ ' ' + m.content + '</s>' }}{% endif %}
{%- endfor %})"},

    {"mistral-v3",
     {"[INST]", "[/INST]", "</s>"},
     R"({% set ns = namespace(system='') -%}
{% for m in messages -%}
{% if m.role == 'system' %}{% set ns.system = m.content + '\n\n' %}
{%- elif m.role == 'user' -%}
{{ '[INST] ' + (ns.system if loop.last else '') + m.content + '[/INST]' }}
{%- else %}{{ ' ' + m.content | trim + '</s>' }}{% endif %}
{%- endfor %})"},

    {"mistral-v3-tekken",
     {"[INST]", "[/INST]", "</s>"},
     R"({% set ns = namespace(system='') -%}
{% for m in messages -%}
{% if m.role == 'system' %}{% set ns.system = m.content + '\n\n' %}
{%- elif m.role == 'user' -%}
{{ '[INST]' + (ns.system if loop.last else '') + m.content + '[/INST]' }}
{%- else %}{{ m.content + '</s>' }}{% endif %}
{%- endfor %})"},

    {"llama2",
     {"<s>", "</s>"},
     R"({% set ns = namespace(system='', begin='') -%}
{% for m in messages -%}
{% if m.role == 'system' -%}
{% set ns.system = '<<SYS>>\n' + m.content + '\n<</SYS>>\n\n' %}
{%- elif m.role == 'user' -%}
{{ ns.begin + '[INST] ' + (ns.system + m.content) | trim + ' [/INST]' }}
{%- set ns.system = '' %}{% set ns.begin = '<s>' %}
{%- else %}{{ ' ' + m.content | trim + ' </s>' }}{% endif %}
{%- endfor %})"},

    {"zephyr",
     {"</s>"},
     R"({% for m in messages -%}
{{ '<|' + m.role + '|>\n' + m.content + '</s>\n' }}
{%- endfor -%}
{{ '<|assistant|>\n' if add_generation_prompt }})"},

    {"phi3",
     {"<|user|>", "<|assistant|>", "<|end|>"},
     R"({% for m in messages -%}
{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}
{%- endfor -%}
{{ '<|assistant|>\n' if add_generation_prompt }})"},
};

const NamedFormat& format_of(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                         [&](const auto& format) { return format.name == name; });
  if (found == std::end(kFormats)) fail("chat format", fmt::format("\"{}\" is none", name));
  return *found;
}

}  // namespace

std::vector<std::string> chat_format_names() {
  std::vector<std::string> names;
  for (const NamedFormat& format : kFormats) names.emplace_back(format.name);
  return names;
}

ChatTemplate chat_format(std::string_view name) {
  return {format_of(name).text, fmt::format("--chat-format {}", name)};
}

void require_chat_tokens(std::string_view name, const Tokenizer& tokenizer) {
  for (std::string_view token : format_of(name).tokens) {
    if (tokenizer.encode(token, /*add_bos=*/false).size() == 1) continue;
    fail(fmt::format("--chat-format {}", name),
         fmt::format("the tokenizer has no token {}, which the format needs", token),
         "take the format that the model was trained with");
  }
}

}  // namespace anemone
