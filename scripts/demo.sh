#!/usr/bin/env bash
# Sets up, builds, trains a small model for about a minute, shows where the time went, and lets it
# tell a story.
#
# Without variables: a model of 0.9 M parameters on stories written by our own grammar.
#   ANE_DATA_PATH       train on these uint16 tokens instead
#   ANE_MODEL_PATH      start from these llama2.c weights (without: stories15m from scratch)
#   ANE_TOKENIZER_PATH  the vocabulary of that model, to sample from it
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target anemone

anemone=build/release/cli/anemone
work=$(mktemp -d "${TMPDIR:-/tmp}/anemone-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT

built_in_stories() { # built_in_stories TOKENIZER: train.bin and val.bin
  "$anemone" data tokenize "$work/train.txt" --tokenizer "$1" -o "$work/train.bin"
  "$anemone" data tokenize "$work/val.txt" --tokenizer "$1" -o "$work/val.bin"
}

train() {
  printf '\n%s\n' "anemone train $*" | sed "s#$work#OUT#g"
  "$anemone" train --out "$work/run" --progress bar "$@"
}

sample() { # sample TOKENIZER
  printf '\nA story that it tells:\n\n'
  "$anemone" generate --model "$work/run" --tokenizer "$1" --prompt "Once upon a time" \
    --tokens 180 --temperature 0.6 --seed 7
}

if [ -n "${ANE_DATA_PATH:-}" ] || [ -n "${ANE_MODEL_PATH:-}" ]; then
  if [ -z "${ANE_DATA_PATH:-}" ] && [ -z "${ANE_TOKENIZER_PATH:-}" ]; then
    echo "demo: ANE_MODEL_PATH alone also needs ANE_TOKENIZER_PATH, to tokenize the stories" >&2
    exit 2
  fi
  data=${ANE_DATA_PATH:-}
  if [ -z "$data" ]; then
    "$anemone" data stories --count 2000 --seed 1 -o "$work/train.txt"
    "$anemone" data stories --count 100 --seed 2 -o "$work/val.txt"
    built_in_stories "$ANE_TOKENIZER_PATH"
    data=$work/train.bin
  fi
  train --model "${ANE_MODEL_PATH:-stories15m}" --data "$data" --steps "${ANE_STEPS:-20}" \
    --batch 2 --seq 256 --lr 1e-4 --warmup 5
  if [ -n "${ANE_TOKENIZER_PATH:-}" ]; then
    sample "$ANE_TOKENIZER_PATH"
  else
    echo "Set ANE_TOKENIZER_PATH to let it tell a story."
  fi
  exit
fi

"$anemone" data stories --count 16000 --seed 1 -o "$work/train.txt"
"$anemone" data stories --count 200 --seed 2 -o "$work/val.txt"
"$anemone" data train-tokenizer "$work/train.txt" --vocab 1024 -o "$work/stories.model"
built_in_stories "$work/stories.model"
train --model demo --data "$work/train.bin" --val "$work/val.bin" --steps 1500 --batch 6 --seq 256 \
  --lr 5e-3 --min-lr 2e-4 --warmup 60 --schedule cosine --eval-every 500
sample "$work/stories.model"
