#!/usr/bin/env bash
# Lays ResNet-50 and MobileNetV2 beside the same networks in eager PyTorch: batch 1, forward or (with
# --update) an update by AdamW, in turns, on the same threads.
#
#   scripts/compare_pytorch_cnn.sh [--update] [--threads N] [--rounds N] [--repetitions N] [--patience S]
#
# PYTHON   a python that has PyTorch already, instead of an environment of its own (a download of
#          some hundred megabytes)
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${XDG_CACHE_HOME:-$HOME/.cache}/anemone/pytorch
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$venv/bin/python
  [ -x "$PYTHON" ] || python3 -m venv "$venv"
  "$PYTHON" -c 'import torch' 2>/dev/null || "$PYTHON" -m pip install --quiet torch numpy
fi

# Either of them makes OpenBLAS run kernels for an older processor, at about half the speed.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export PYTHONDONTWRITEBYTECODE=1
cmake --preset release >/dev/null
cmake --build --preset release --target cpu_bench finetune_bench >&2
exec "$PYTHON" tools/compare_pytorch_cnn.py "$@"
