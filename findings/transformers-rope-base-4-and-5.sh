#!/usr/bin/env bash
# One config.json, two bases of rotary positions: transformers 4.57.1 and 5.24.0.
#
# A Llama whose `rope_scaling` (rope_type default) holds a rope_theta of 500000 beside one of 10000
# at the top. Version 4 turns by the one at the top: its LlamaConfig keeps both and its
# modeling_rope_utils.py takes `base = config.rope_theta`; the other is an "unrecognized key" in a
# warning. Version 5 takes the one inside (`rope_parameters["rope_theta"]`) and drops the one at the
# top without a word. Guess before running: both take the same.
#
# Output seen:
#   4.57.1: 10000.0
#   5.24.0: 500000.0
#
# Anemone reads such a file as version 5 does (anemone/weights/rotary_config_test.cpp).
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/model"
cat > "$folder/model/config.json" <<'JSON'
{"model_type": "llama", "rope_theta": 10000.0,
 "rope_scaling": {"rope_type": "default", "rope_theta": 500000.0}}
JSON
cat > "$folder/base.py" <<'PYTHON'
import sys
import transformers
from transformers import AutoConfig, modeling_rope_utils

config = AutoConfig.from_pretrained(sys.argv[1])
with open(modeling_rope_utils.__file__) as source:
    line = next(line.strip() for line in source if line.strip().startswith("base = "))
# What the line of the library reads.
base = config.rope_theta if line == "base = config.rope_theta" else config.rope_parameters["rope_theta"]
print(f"{transformers.__version__}: {base}")
PYTHON
for version in 4.57.1 5.24.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "transformers==$version" >/dev/null 2>&1
  "$folder/$version/bin/python" "$folder/base.py" "$folder/model" 2>/dev/null
done | tee "$folder/seen"
printf '4.57.1: 10000.0\n5.24.0: 500000.0\n' | diff - "$folder/seen"
