#!/usr/bin/env bash
# A transformer learns to go on with sequences, in seconds:
#   examples/finetune_clocks.sh [FOLDER [SAMPLES [STEPS]]]
# ANEMONE names the program, DEVICE where it trains (cpu, or sim:m4-max: simulated). Needs
# python3 with NumPy: the first of PYTHON, python3 and /usr/bin/python3 that has it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
anemone=${ANEMONE:-$here/../build/release/cli/anemone}
folder=${1:-clocks} samples=${2:-2000} steps=${3:-300}

for python in "${PYTHON:-python3}" /usr/bin/python3; do
  "$python" -c 'import numpy' 2>/dev/null && break
done
"$python" "$here/clocks.py" "$folder" "$samples"
cd "$folder"
"$anemone" convert clocks.mil clocks.mlpackage --force
# Everything but the mask, which is a constant too.
"$anemone" finetune clocks.mlpackage --inputs train.safetensors --targets next \
  --train '*_weight' --train '*_bias' --train '*_gamma' --train '*_beta' \
  --steps "$steps" --batch 64 --lr 3e-3 --warmup 20 --schedule cosine --seed 1 \
  --eval test.safetensors --device "${DEVICE:-cpu}" --progress bar \
  --out trained.mlpackage --force
"$anemone" info trained.mlpackage
