#!/usr/bin/env bash
# Opens packages of ours in Netron, pinned, with its own reader in Node instead of a browser:
# scripts/check_netron.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

command -v node >/dev/null || { echo "check_netron: it needs Node 18 or newer" >&2; exit 2; }
program=${1:-build/release/cli/anemone}
if command -v apt-get >/dev/null; then install_packages python3-venv; fi
venv=build/netron-9.3.3
if ! [ -d "$venv/lib" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check netron==9.3.3
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" convert tests/golden/tiny.bin "$work/ports.mlpackage" --seq 16 >"$work/log"
"$program" convert tests/golden/tiny.bin "$work/states.mlpackage" --seq 16 --states >>"$work/log"
"$program" convert tests/golden/tiny.bin "$work/wide.mlpackage" --seq 16 --dtype fp32 >>"$work/log"
node tools/open_in_netron.mjs "$venv"/lib/python3*/site-packages/netron "$work"/*.mlpackage
