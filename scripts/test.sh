#!/usr/bin/env bash
# Sets up, builds and runs every test: scripts/test.sh [PRESET] (release, dev, tsan).
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
scripts/setup.sh
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
exec ctest --preset "$preset" -j "$(getconf _NPROCESSORS_ONLN)" --progress
