#!/usr/bin/env bash
# Compiles and links what needs no framework of a Mac for macOS on arm64, on any machine with zig
# (0.12 or newer; its archive holds the C and C++ headers of macOS). Not part of the build: it shows
# that nothing is used that macOS lacks. Usage: ZIG=/path/to/zig tools/cross_macos.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
zig=${ZIG:-zig}
mkdir -p "${1:-build/macos}"
out=$(cd "${1:-build/macos}" && pwd)
command -v "$zig" >/dev/null || { echo "no zig: set ZIG to its path" >&2; exit 2; }

# Header-only uses of the packages, and nothing else of this machine's headers.
mkdir -p "$out/include" "$out/objects"
for package in fmt nlohmann; do ln -sfn "/usr/include/$package" "$out/include/$package"; done
export ZIG_GLOBAL_CACHE_DIR=$out/cache ZIG_LOCAL_CACHE_DIR=$out/cache

cmake -DINPUT=anemone/devices/ane_spec/chips.json -DOUTPUT="$out/kChipsJson.cpp" -DNAME=kChipsJson \
  -P cmake/write_embedded.cmake
cmake -DSOURCE="$PWD" -DOUTPUT="$out/commit.cpp" -P cmake/write_commit.cmake
modules=(base tensor ir text package ops passes autodiff devices/ane_spec devices/ane)
sources=$(for module in "${modules[@]}"; do
  find "anemone/$module" -maxdepth 1 -name '*.cpp' ! -name '*_test.cpp' ! -name '*_bench.cpp'
done; echo "$out/kChipsJson.cpp"; echo "$out/commit.cpp")
export zig out
compile() {
  local object="$out/objects/${1//\//_}.o"
  "$zig" c++ -target aarch64-macos.13.0 -std=c++20 -O1 -Wall -Wextra -DFMT_HEADER_ONLY -I. \
    -isystem "$out/include" -c "$1" -o "$object" || { echo "failed: $1" >&2; return 255; }
}
export -f compile
xargs -P "$(nproc)" -I{} bash -c 'compile {}' <<<"$sources"
"$zig" c++ -target aarch64-macos.13.0 -dynamiclib "$out"/objects/*.o -o "$out/libanemone_ane.dylib"
echo "$(wc -w <<<"$sources") files compiled and linked for macOS on arm64"
