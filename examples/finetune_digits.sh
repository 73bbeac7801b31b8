#!/usr/bin/env bash
# A network of convolutions learns to read digits, in less than a minute:
#   examples/finetune_digits.sh [FOLDER [SAMPLES [STEPS]]]
# ANEMONE names the program, DEVICE where it trains (cpu, or sim:m4-max: simulated). Needs
# python3 with NumPy: the first of PYTHON, python3 and /usr/bin/python3 that has it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
anemone=${ANEMONE:-$here/../build/release/cli/anemone}
folder=${1:-digits} samples=${2:-2000} steps=${3:-400}

for python in "${PYTHON:-python3}" /usr/bin/python3; do
  "$python" -c 'import numpy' 2>/dev/null && break
done
"$python" "$here/digits.py" "$folder" "$samples"
cd "$folder"
"$anemone" convert digits.mil digits.mlpackage --force
# Convolutions, batch norm's scales and the classifier; its statistics stay as they are.
"$anemone" finetune digits.mlpackage --inputs train.safetensors --targets label \
  --train '*_weight' --train '*_bias' --train '*_gamma' --train '*_beta' \
  --steps "$steps" --batch 32 --lr 3e-3 --warmup 10 --schedule cosine --seed 1 \
  --eval test.safetensors --device "${DEVICE:-cpu}" --progress bar \
  --out trained.mlpackage --force
"$anemone" info trained.mlpackage
