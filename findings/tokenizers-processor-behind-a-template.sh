#!/usr/bin/env bash
# tokenizers 0.23.3: a post-processor behind a TemplateProcessing in a Sequence takes the tokens that
# the template added for a second text. The text "ab" (one token):
#
#   [RobertaProcessing <c> $A <s>, TemplateProcessing $A <t>]: <c> ab <s> <t>
#   [TemplateProcessing $A <t>, RobertaProcessing <c> $A <s>]: <c> ab <s> <s> <t> <s>, as a pair
#   [[TemplateProcessing $A <t>], TemplateProcessing $A <u>]:  ab <t>: <u> never comes, for the second
#                                                              template uses its form for pairs
#
# Guess before running: the later one stands around what the earlier one gave, <c> ab <t> <s> and
# ab <t> <u>. Who adds an end to a tokenizer with a post-processor of its own gets other ids than
# meant, without a word. Anemone reads the first form and refuses the others by name.
#
# Fails where that changes. Needs Python 3.9 or newer and the network; nothing of this repository runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tokenizers==0.23.3
"$work/venv/bin/python" - <<'PYTHON' | tee "$work/seen"
from tokenizers import Tokenizer, models
from tokenizers.processors import RobertaProcessing, Sequence, TemplateProcessing

NAMES = {"ab": 0, "<c>": 1, "<s>": 2, "<t>": 3, "<u>": 4}


def template(end):
    """$A and an end; pairs are left as they are."""
    return TemplateProcessing(single=f"$A {end}", pair="$A $B:1", special_tokens=[(end, NAMES[end])])


def tokens(*processors):
    tokenizer = Tokenizer(models.BPE(vocab={**NAMES, "a": 5, "b": 6}, merges=[("a", "b")]))
    tokenizer.post_processor = Sequence(list(processors))
    return " ".join(tokenizer.encode("ab").tokens)


roberta = RobertaProcessing(("<s>", 2), ("<c>", 1))
print(tokens(roberta, template("<t>")))
print(tokens(template("<t>"), roberta))
print(tokens(Sequence([template("<t>")]), template("<u>")))
PYTHON
printf '<c> ab <s> <t>\n<c> ab <s> <s> <t> <s>\nab <t>\n' | diff - "$work/seen"
