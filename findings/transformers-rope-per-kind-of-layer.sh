#!/usr/bin/env bash
# transformers 5.24.0: a Llama whose rope_parameters are given for each kind of its layers turns by
# 10000 whatever they say, without a word.
#
# rope_parameters may be an object for each of `layer_types` (so the documentation of
# RotaryEmbeddingConfigMixin). LlamaConfig takes both, and puts `rope_theta` 10000, its default,
# beside the kinds; LlamaRotaryEmbedding reads that one (`config.rope_parameters["rope_theta"]`).
# Nothing is logged. Guess before running: the 500000 of full_attention, or an error.
#
# Output seen:
#   {'full_attention': {'rope_theta': 500000.0, 'rope_type': 'default'}, 'rope_theta': 10000.0, 'rope_type': 'default'}
#   base = config.rope_parameters["rope_theta"]
#
# Anemone turns by 500000 where every kind says so, and refuses a file that says both.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 >/dev/null 2>&1
mkdir "$folder/model"
cat > "$folder/model/config.json" <<'JSON'
{"model_type": "llama", "num_hidden_layers": 2, "layer_types": ["full_attention", "full_attention"],
 "rope_parameters": {"full_attention": {"rope_theta": 500000.0, "rope_type": "default"}}}
JSON
cat > "$folder/base.py" <<'PYTHON'
import os
import sys
import transformers
from transformers import AutoConfig

config = AutoConfig.from_pretrained(sys.argv[1])
print(dict(config.rope_parameters))
llama = os.path.join(os.path.dirname(transformers.__file__), "models", "llama", "modeling_llama.py")
with open(llama) as source:
    print(next(line.strip() for line in source if line.strip().startswith("base = ")))
PYTHON
"$folder/venv/bin/python" "$folder/base.py" "$folder/model" 2>"$folder/log" | tee "$folder/seen"
grep -q "'full_attention': {'rope_theta': 500000.0" "$folder/seen"
grep -q "}, 'rope_theta': 10000.0" "$folder/seen"
grep -qx 'base = config.rope_parameters\["rope_theta"\]' "$folder/seen"
if grep -i rope "$folder/log"; then exit 1; fi
