#!/usr/bin/env bash
# Lays generation beside llama.cpp, as PyPI's llama-cpp-python builds it for this processor: prompts
# at once and single tokens, of one model with the same random weights in both, in turns, on the
# same threads.
#
#   scripts/compare_llama_cpp.sh [--shape stories110m|qwen3-0.6b] [--dtype bf16|int8|int4...]
#                                [--prompt N...] [--threads N...] [--rounds N] [--json]
#
# ANEMONE   a program that is built already, instead of building the release preset
# VENV      a virtual environment that has the packages, or gets them (some minutes: llama.cpp is
#           compiled); by default a folder in the user's cache
# MODELS    where the models go, up to 4 GB; by default a temporary folder
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(llama-cpp-python==0.3.36 gguf==0.19.0)
python3 tools/compare_llama_cpp.py --check-flags "$@" # before anything is installed or built
shape=stories110m
for ((i = 1; i <= $#; ++i)); do
  next=$((i + 1))
  case ${!i} in
    -h | --help) exit ;;
    --shape) shape=${!next} ;;
    --shape=*) shape=${!i#--shape=} ;;
  esac
done

venv=${VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/anemone/llama-cpp}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import llama_cpp, gguf' 2>/dev/null ||
  nice "$venv/bin/pip" install --quiet "${packages[@]}" >&2

# Either of them makes OpenBLAS run kernels for an older processor; nothing here should meet it.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

anemone=${ANEMONE:-build/release/cli/anemone}
if [ -z "${ANEMONE:-}" ]; then
  scripts/setup.sh >&2
  cmake --preset release >/dev/null
  cmake --build --preset release --target anemone >&2
fi

if [ -z "${MODELS:-}" ]; then
  MODELS=$(mktemp -d)
  trap 'rm -rf "$MODELS"' EXIT
fi
[ -e "$MODELS/$shape/q4_0.gguf" ] ||
  "$venv/bin/python" tools/random_model.py "$shape" "$MODELS/$shape" --gguf bf16 q8_0 q4_0 >&2
"$venv/bin/python" tools/compare_llama_cpp.py --anemone "$anemone" --models "$MODELS/$shape" "$@"
