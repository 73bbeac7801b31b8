#!/usr/bin/env python3
"""Makes tests/golden/chat_templates.json: templates in the manner of public ones, with the texts that
transformers' apply_chat_template gives for chats.

    pip install transformers==5.24.0 jinja2==3.1.6 && tests/golden/make_chat_templates.py [FILE]

The templates are written here; they use what public ones use. The clock stands still: 5 March 2025.
"""
import datetime
import json
import pathlib
import sys

import transformers
from transformers.utils import chat_template_utils

CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

QWEN_DEFAULT = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}{{ tool | tojson }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help people.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first)
           or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

THINKING = """{%- set ns = namespace(open=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.open and message.role == "user" and not message.content.startswith('<tool>') %}
        {%- set ns.open = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "assistant" %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and thought is defined and thought %}
            {%- set content = '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content %}
        {%- endif %}
    {%- endif %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

LLAMA3 = """{% set all = messages %}{% for message in all %}{% set content = '<|start_header_id|>' \
+ message['role'] + '<|end_header_id|>

' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token \
+ content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}\
{{ '<|start_header_id|>assistant<|end_header_id|>

' }}{% endif %}"""

LLAMA3_DATE = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system's message has its own place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: tools\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
        {{- message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}\
{{ raise_exception('There is no system role') }}{% endif %}{% for message in messages %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}\
{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}\
{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}"""

GEMMA_SYSTEM = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
"""

# {0}: before [INST], {1}: behind it, {2}: before [/INST], {3}: before an answer, {4}: the turn with
# the system's text
MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("Roles must alternate") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}{{ tools | tojson }}{% endif %}
        {%- if loop.{4} and system_message is defined %}
            {{- "{0}[INST]{1}" + system_message + "\\n\\n" + message["content"] + "{2}[/INST]" }}
        {%- else %}
            {{- "{0}[INST]{1}" + message["content"] + "{2}[/INST]" }}
        {%- endif %}
    {%- else %}
        {{- {3} + eos_token }}
    {%- endif %}
{%- endfor %}
"""


def mistral(*parts):
    text = MISTRAL
    for i, part in enumerate(parts):
        text = text.replace("{%d}" % i, part)
    return text


LLAMA2 = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}\
{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}\
{% set system_message = false %}{% endif %}{% for message in loop_messages %}\
{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message \
+ '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}\
{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + \
' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}\
{% endif %}{% endfor %}"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

PHI3 = """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}\
{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""

LANGUAGE = """{# macros, captures, jumps, blanks #}
{%- macro turn(message, mark='#') -%}
    [{{ mark * 0 if false else mark }}{{ message.role | upper }}:{{ caller_sees_nothing | d('-') }}]
{%- endmacro %}
{% set title %}  {{ messages | length }} turns
{%- endset %}
{{ title }}
  {% for role, group in {'user': 1, 'assistant': 2}.items() if group < 3 %}
  {{ role }}={{ group }}{{ ', ' if not loop.last else '.' }}
  {% endfor %}
{% for i in range(9, 0, -2) %}{% if i == 3 %}{% break %}{% elif i is odd and i > 7 %}{% continue %}\
{% endif %}{{ i // 2 }}{{ -i % 4 }};{%+ endfor %}
{% for message in messages %}
{% set caller_sees_nothing = 'x' %}
{{ turn(message) -}}
{{ turn(message, mark="\\x40\\u4e16") }}
{%- generation %} {{ message.content | trim | replace('a', 'o') }}{% endgeneration %}
{{ message['content'][:3] + message.content[-2:] ~ none ~ 1 ~ true }}
{% else %}
nobody
{% endfor %}
{{ caller_sees_nothing | default('gone') }} {{ messages | map(attribute='role') | join('|') }}
{{ messages | rejectattr('role', 'in', ['user', 'system']) | list | length }}
"""

TEMPLATES = {
    "chatml": CHATML, "qwen-default": QWEN_DEFAULT, "thinking": THINKING, "llama3": LLAMA3,
    "llama3-date": LLAMA3_DATE, "gemma": GEMMA_SYSTEM, "gemma-no-system": GEMMA,
    "mistral-v1": mistral(" ", " ", " ", "' ' + message.content", "first"),
    "mistral-v1-no-blank": mistral("", " ", " ", "message.content", "first"),
    "mistral-v3": mistral("", " ", "", "' ' + message.content|trim", "last"),
    "mistral-v3-tekken": mistral("", "", "", "message.content", "last"),
    "llama2": LLAMA2, "zephyr": ZEPHYR, "phi3": PHI3, "language": LANGUAGE}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

SYSTEM = {"role": "system", "content": " Be brief. "}
USER = {"role": "user", "content": "  Who are you?\n"}
ANSWER = {"role": "assistant", "content": "<think>\nA name?\n</think>\n\nA model.\u00a0\n"}
MORE = {"role": "user", "content": "世界 {{ x }} \u3000"}
CHATS = ([USER], [SYSTEM, USER], [USER, ANSWER, MORE], [SYSTEM, USER, ANSWER, MORE],
         [SYSTEM, USER, ANSWER], [{"role": "user", "content": ""}], [USER, MORE])


class StoppedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 5, 12, 0, 0)


def text_of(template, chat, to_answer):
    """What transformers prints; null where the template refuses."""
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [chat], chat_template=template, add_generation_prompt=to_answer, **TOKENS)
    except Exception:
        return None
    return texts[0]


def main():
    chat_template_utils.datetime = StoppedClock
    file = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                        else pathlib.Path(__file__).parent / "chat_templates.json")
    cases = [{"template": name, "chat": i, "to_answer": to_answer,
              "text": text_of(template, chat, to_answer)}
             for name, template in TEMPLATES.items() for i, chat in enumerate(CHATS)
             for to_answer in (True, False)]
    one_a_line = lambda values: ",\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    templates = ",\n".join(f"{json.dumps(name)}: {json.dumps(text, ensure_ascii=False)}"
                           for name, text in TEMPLATES.items())
    file.write_text(f'{{"tokens": {json.dumps(TOKENS)},\n"templates": {{\n{templates}\n}},\n'
                    f'"chats": [\n{one_a_line(CHATS)}\n],\n"cases": [\n{one_a_line(cases)}\n]}}\n')
    print(f"transformers {transformers.__version__}: {len(cases)} cases in {file}")


if __name__ == "__main__":
    main()
