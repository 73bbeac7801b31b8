#!/usr/bin/env bash
# tokenizers 0.23.3: in a Split pattern \w matches characters that [\w] does not: ² ³ ¹ ¼ ½ ¾
# (U+00B2, U+00B3, U+00B9, U+00BC, U+00BD, U+00BE). So [^\w\s] matches ¼, although \w matches it too,
# and a pattern that is rewritten with a class around it gives other pieces, and other ids.
#
# Seen: of the 256 characters of Latin-1, \w matches the six above besides all that [\w] matches.
#
# Fails where that changes. Needs Python 3.9 or newer and the network; nothing of this repository runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tokenizers==0.23.3
"$work/venv/bin/python" - <<'PYTHON'
import sys
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

SURPRISE = {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE}


def matched(pattern):
    """Characters of Latin-1 that the pattern cuts out of the text +c+."""
    split = Split(Regex(pattern), behavior="isolated")
    found = set()
    for code in range(256):
        pieces = [piece for piece, _ in split.pre_tokenize_str(f"+{chr(code)}+")]
        if chr(code) in pieces:
            found.add(code)
    return found


alone, in_class, negated = matched(r"\w"), matched(r"[\w]"), matched(r"[^\w\s+]")
print("only without brackets:", " ".join(f"U+{code:04X}" for code in sorted(alone - in_class)))
if alone - in_class != SURPRISE or in_class - alone or not SURPRISE <= negated:
    sys.exit("another behaviour than the one described")
print("as described")
PYTHON
