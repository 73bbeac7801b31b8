#!/usr/bin/env bash
# Measures a device: training steps, on-chip memory, throughput. Goes on where it was interrupted.
#
#   scripts/run_benchmarks.sh [--all|--training-only|--probes-only|--benchmarks-only]
#                             [--steps N] [--device D] [--out DIR]
#
#   --all              everything (default)
#   --training-only    training steps of every pipeline
#   --probes-only      weights of growing size: on-chip memory and its bandwidth
#   --benchmarks-only  peak throughput, single convolutions, dispatch, int8
#   --steps N          updates of each pipeline
#   --device D         cpu, sim:<chip> (times only, nothing is computed) or ane; without: ane on a
#                      Mac, else cpu
#   --out DIR          where the results go; without: results/local
#   ANE_MODEL_PATH     llama2.c weights to train (without: stories110m from scratch)
#   ANE_DATA_PATH      uint16 tokens to train on (without: random ones; the time does not depend on them)
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"
}
refuse() {
  echo "run_benchmarks: $1 (see --help)" >&2
  exit 2
}

what=all steps='' device=cpu out=results/local
[ "$(uname)" = Darwin ] && device=ane
while [ $# -gt 0 ]; do
  case $1 in
    --all) what=all ;;
    --training-only) what=training ;;
    --probes-only) what=probes ;;
    --benchmarks-only) what=benchmarks ;;
    --steps | --device | --out)
      [ $# -gt 1 ] || refuse "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    -h | --help)
      usage
      exit
      ;;
    *) refuse "$1: no such option" ;;
  esac
  shift
done
[[ $steps =~ ^[0-9]*$ ]] || refuse "--steps $steps is no number"
for path in "${ANE_MODEL_PATH:-}" "${ANE_DATA_PATH:-}"; do
  [ -z "$path" ] || [ -e "$path" ] || refuse "$path does not exist"
done

scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target anemone
anemone=build/release/cli/anemone

case $what in
  all) benchmarks=() ;;
  training) benchmarks=(--only train) ;;
  probes) benchmarks=(--only sram) ;;
  benchmarks) benchmarks=(--only peak --only inmem --only dispatch --only int8) ;;
esac
"$anemone" bench all --device "$device" --out "$out" "${benchmarks[@]}" ${steps:+--steps "$steps"} \
  ${ANE_MODEL_PATH:+--model "$ANE_MODEL_PATH"} ${ANE_DATA_PATH:+--data "$ANE_DATA_PATH"}
"$anemone" report "$out"/*.json -o "$out/report.html"
echo "report: $out/report.html"
