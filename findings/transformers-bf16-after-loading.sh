#!/usr/bin/env bash
# transformers 5.24.0: the same weights in bf16 are two models. Loaded with dtype=torch.bfloat16 a
# model keeps its rotary frequencies in fp32; moved with .to(torch.bfloat16) it rounds them too, and
# positions turn by other angles.
#
# inv_freq is a buffer of the rotary embedding, which `.to` casts with everything else, and which is
# not saved. Guess before running: one model, since all parameters are equal bit for bit.
#
# Output seen (torch 2.15.0):
#   parameters equal: True
#   inv_freq: torch.float32 torch.bfloat16
#   largest difference of an angle at position 3999: 1.75 radians
#
# Anemone's golden models are read again from what was saved before anything is computed with them.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.15.0 transformers==5.24.0 numpy >/dev/null 2>&1
cat > "$folder/two.py" <<'PYTHON'
import sys
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

Qwen3ForCausalLM(Qwen3Config(vocab_size=50, hidden_size=32, intermediate_size=64,
                             num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
                             head_dim=64)).save_pretrained(sys.argv[1])
loaded = Qwen3ForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
moved = Qwen3ForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).to(torch.bfloat16)
print("parameters equal:", all(map(torch.equal, loaded.parameters(), moved.parameters())))
a, b = (model.model.rotary_emb.inv_freq for model in (loaded, moved))
print("inv_freq:", a.dtype, b.dtype)
angle = 3999 * (a.double() - b.double()).abs().max().item()
print(f"largest difference of an angle at position 3999: {angle:.2f} radians")
PYTHON
"$folder/venv/bin/python" "$folder/two.py" "$folder/model" 2>/dev/null | tee "$folder/seen"
grep -qx 'parameters equal: True' "$folder/seen"
grep -qx 'inv_freq: torch.float32 torch.bfloat16' "$folder/seen"
grep -qx 'largest difference of an angle at position 3999: 1.75 radians' "$folder/seen"
