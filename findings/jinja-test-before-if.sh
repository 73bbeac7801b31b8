#!/usr/bin/env bash
# jinja2 3.1.6: behind a test without an argument, "if" and "in" are taken for its argument. What is
# one value with parentheses is an error without them:
#
#   {{ (x is string) if y else 'z' }}   True
#   {{ x is string if y else 'z' }}     TemplateSyntaxError: expected token 'end of print statement', got 'y'
#   {{ (x is string) in [true] }}       True
#   {{ x is string in [true] }}         UndefinedError: 'in' is undefined
#   {{ x is string and y }}             True: "and", "or" and "else" do end a test
#
# Guess before running: the same with and without. The second kind shows only when it is rendered, so
# that a chat template with it loads, and fails in the branch that has it. Anemone refuses both too.
#
# Fails where that changes. Needs Python 3.9 or newer and the network; nothing of this repository runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jinja2==3.1.6
"$work/venv/bin/python" - <<'PYTHON' | tee "$work/seen"
import jinja2

for text in ("(x is string) if y else 'z'", "x is string if y else 'z'", "(x is string) in [true]",
             "x is string in [true]", "x is string and y"):
    try:
        print(jinja2.Environment().from_string("{{ " + text + " }}").render(x="a", y=True))
    except jinja2.TemplateError as error:
        print(f"{type(error).__name__}: {error}")
PYTHON
diff - "$work/seen" <<'SEEN'
True
TemplateSyntaxError: expected token 'end of print statement', got 'y'
True
UndefinedError: 'in' is undefined
True
SEEN
