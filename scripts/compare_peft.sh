#!/usr/bin/env bash
# Lays LoRA fine-tuning of a Qwen3-0.6B-shaped model beside PEFT on PyTorch in bf16, in turns, on the
# same threads: time of a step and peak memory.
#
#   scripts/compare_peft.sh [--threads N] [--rounds N] [--tokens T] [--rank R] [--layers L]
#
# PYTHON   a python that has torch, transformers and peft already, instead of an environment of its
#          own (a download of some gigabytes)
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${XDG_CACHE_HOME:-$HOME/.cache}/anemone/pytorch
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$venv/bin/python
  [ -x "$PYTHON" ] || python3 -m venv "$venv"
  "$PYTHON" -c 'import peft' 2>/dev/null ||
    "$PYTHON" -m pip install --quiet torch transformers peft numpy
fi

# Either of them makes OpenBLAS run kernels for an older processor, at about half the speed.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export PYTHONDONTWRITEBYTECODE=1
cmake --preset release >/dev/null
cmake --build --preset release --target anemone >&2
exec "$PYTHON" tools/compare_peft.py "$@"
