#!/usr/bin/env python3
"""Compares chats printed by templates with what transformers' apply_chat_template gives.

    cmake --build --preset release --target print_chat
    pip install transformers==5.24.0 jinja2==3.1.6
    tools/check_chat_templates.py [--random N] [--language N] [TEMPLATE.jinja | tokenizer_config.json ...]

Without names it takes the templates of tests/golden/chat_templates.json. Chats are made at random of
turns and blanks. What we refuse is counted apart: it is no difference, and neither is a chat that both
refuse. Exits with 1 where a text differs.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import warnings

from transformers.utils.chat_template_utils import render_jinja_template

warnings.simplefilter("ignore")  # Python's, about what random templates do
ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/tests/golden/print_chat"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
WORDS = ["", " ", "\n", "\n\n", "\t", "\u3000", "\u00a0", "\x1f", "Hi", "who are you?", "ça va", "世界",
         "<think>", "</think>", "a\nb", "{{ x }}", "{% if %}", "'", '"', "\\n", "[INST]", "<|im_end|>"]


def random_chat(chooser):
    text = lambda: "".join(chooser.choices(WORDS, k=chooser.randrange(0, 6)))
    chat = [{"role": "system", "content": text()}] if chooser.random() < 0.4 else []
    for _ in range(chooser.randrange(1, 4)):
        chat.append({"role": "user", "content": text()})
        chat.append({"role": "assistant", "content": text()})
    return chat[:-1] if chooser.random() < 0.7 else chat


def expected(case):
    """transformers' text; None where it raises."""
    try:
        texts, _ = render_jinja_template(
            [case["messages"]], chat_template=case["template"],
            add_generation_prompt=case["to_answer"], **case["tokens"])
        return texts[0]
    except Exception:
        return None


def ours(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    output = subprocess.run([PROGRAM], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in output.stdout.split(b"\n") if line]


def compare(name, template, arguments):
    chooser = random.Random(arguments.seed)
    return compare_cases(name, [
        {"template": template, "tokens": TOKENS, "messages": random_chat(chooser),
         "to_answer": chooser.random() < 0.7} for _ in range(arguments.random)], arguments)


def compare_cases(name, cases, arguments):
    different, refused, reasons = 0, 0, set()
    for case, result in zip(cases, ours(cases), strict=True):
        wanted = expected(case)
        if "error" in result and wanted is not None:
            refused += 1
            reasons.add(result["error"])
        elif result.get("text") != wanted:
            different += 1
            if different <= arguments.show:
                print(f"  {case['template'][:200]!r} {case['messages']}\n    ours {result}\n    its  {wanted!r}")
    print(f"{name}: {len(cases)} chats, {different} differ, {refused} refused")
    for reason in sorted(reasons)[:arguments.show]:
        print(f"    {reason}")
    return different


ATOMS = ["1", "0", "-2", "7", "'ab'", "' x '", "''", "'a-b-c'", "true", "false", "none", "nope",
         "messages", "messages[0]", "messages[-1].content", "messages[0]['role']", "[1, 'ab', none]",
         "{'a': 1, 'b': ''}", "ns.a", "x", "loop.index"]
BINARY = ["+", "-", "*", "~", "//", "%", "==", "!=", "<", ">=", "in", "not in", "and", "or"]
SUFFIXES = [" | trim", " | length", " | default('d')", " | default('d', true)", " | list", " | first",
            " | last", " | upper", " | string", " | join('-')", "[0]", "[-1]", "[1:]", "[::-1]",
            "[:-1]", "[1:9:2]", ".a", ".strip()", ".split('-')", ".lstrip('x ')", ".startswith('a')",
            ".replace('a', 'o')", ".title()", " is defined", " is none", " is string",
            " is not mapping", " is iterable", " is equalto 1", " is in ('ab', 1)", ".items()",
            ".get('a')", " | reject('equalto', 1) | list", " | map('string') | list", " | items | list"]
TAGS = ["{{%s %s %s}}", "{%%%s if %s %s%%}", "{%%%s elif %s %s%%}", "{%%%s set x = %s %s%%}",
        "{%%%s for x in %s %s%%}", "{%%%s set ns.a = %s %s%%}"]


def random_expression(chooser, depth):
    if depth == 0 or chooser.random() < 0.2:
        return chooser.choice(ATOMS)
    inner = lambda: random_expression(chooser, depth - 1)
    kind = chooser.randrange(6)
    if kind < 2:
        return f"{inner()} {chooser.choice(BINARY)} {inner()}"
    if kind == 2:
        return f"({inner()})" + chooser.choice(SUFFIXES)
    if kind == 3:
        return inner() + chooser.choice(SUFFIXES)
    return f"not {inner()}" if kind == 4 else f"({inner()} if {inner()} else {inner()})"


def random_template(chooser):
    """Tags, blanks and line ends between them."""
    text, open_tags = "{% set ns = namespace(a='n') %}", []
    blank = lambda: "".join(chooser.choices([" ", "\n", "t", "\r\n"], k=chooser.randrange(4)))
    sign = lambda ends: chooser.choice(["", "", "", "-"] + ([] if ends else ["+"]))
    for _ in range(chooser.randrange(1, 7)):
        tag = chooser.choice(TAGS)
        inside = bool(open_tags) and open_tags[-1] == "if"
        if " elif" in tag and not inside:
            continue
        text += blank() + tag % (sign(False), random_expression(chooser, 2), sign(True))
        open_tags += ["if"] * (" if" in tag) + ["for"] * (" for" in tag)
        if open_tags and chooser.random() < 0.4:
            text += blank() + f"{{%{sign(False)} end{open_tags.pop()} {sign(True)}%}}"
        text += chooser.choice(["", "", "{# c #}\n", "  {#- c -#}  \n"])
    return text + "".join(f"{blank()}{{% end{tag} %}}" for tag in reversed(open_tags)) + blank()


def language_cases(arguments):
    chooser = random.Random(arguments.seed)
    chat = [{"role": "user", "content": " a-b "}, {"role": "assistant", "content": "x"}]
    for i in range(arguments.language):
        template = (random_template(chooser) if i % 2 else
                    "{{ (%s) | string }}" % random_expression(chooser, 3))
        yield {"template": template, "tokens": TOKENS, "messages": chat, "to_answer": True}


def templates_of(paths):
    if not paths:
        golden = json.loads((ROOT / "tests/golden/chat_templates.json").read_text())
        yield from golden["templates"].items()
    for path in paths:
        text = path.read_text()
        if path.suffix != ".json":
            yield path.name, text
            continue
        for name, template in json.loads(text).items():
            if isinstance(template, str) and "{%" in template:
                yield f"{path.name}: {name}", template


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("templates", nargs="*", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=300)
    parser.add_argument("--language", type=int, default=0, help="random templates to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=2, help="differences to print of each")
    arguments = parser.parse_args()
    different = [compare(*one, arguments) for one in templates_of(arguments.templates)]
    if arguments.language:
        different.append(compare_cases("random templates", list(language_cases(arguments)), arguments))
    sys.exit(1 if sum(different) else 0)


if __name__ == "__main__":
    main()
