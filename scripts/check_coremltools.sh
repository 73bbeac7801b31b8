#!/usr/bin/env bash
# Holds our packages to coremltools, pinned, in a virtual environment below build/:
# scripts/check_coremltools.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

program=${1:-build/release/cli/anemone}
venv=build/coremltools-9.0
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import coremltools' >/dev/null 2>&1; then
  if command -v apt-get >/dev/null; then install_packages python3-venv; fi
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check coremltools==9.0 'numpy<2.4'
fi
# What it prints of parts that only a Mac has is of no interest.
for check in check_packages check_finetune; do
  "$venv/bin/python" "tools/$check.py" "$program" 2>"$venv/log" || { cat "$venv/log" >&2; exit 1; }
done
