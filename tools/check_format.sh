#!/usr/bin/env bash
# Every C++ file is formatted as .clang-format says; --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(--dry-run -Werror)
[ "${1:-}" = --fix ] && mode=(-i)
git ls-files -z --cached --others --exclude-standard '*.cpp' '*.h' |
  xargs -0 clang-format "${mode[@]}"
echo "format: clean"
