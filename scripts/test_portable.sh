#!/usr/bin/env bash
# Builds and tests what processors without AVX-512 run: vectors of AVX2 or of ARM's NEON, bf16
# emulated.
#
#   scripts/test_portable.sh avx2 [MODULE...]    on this machine, libraries held to AVX2 too
#   scripts/test_portable.sh arm64 [MODULE...]   cross-compiled, in QEMU; Debian on x86-64 only
#
# ANEMONE_JOBS   compilers at a time, one for each processor if unset
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

usage() {
  sed -n '5,6s/^# *//p' "$0" >&2
  exit 2
}

# The compiler and QEMU are installed. ARM's libraries are only unpacked, because Debian has some
# that cannot be installed beside the ones of this machine (SentencePiece).
install_arm64() {
  local sysroot=$1 debs=$1/debs
  [ -e "$sysroot/complete" ] && return
  [ "$(dpkg --print-foreign-architectures | grep -cx arm64)" -eq 1 ] ||
    as_root dpkg --add-architecture arm64
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    --no-remove --no-upgrade g++-aarch64-linux-gnu qemu-user >/dev/null
  mkdir -p "$debs"
  (cd "$debs" && apt-get download -qq {libdnnl2,libdnnl-dev,libhwy1,libhwy-dev}:arm64 \
    {libfmt9,libfmt-dev,libsentencepiece0,libsentencepiece-dev,libgtest-dev,libgmock-dev}:arm64 \
    {libxxhash0,libxxhash-dev,libpcre2-8-0,libpcre2-dev,libicu72,libicu-dev}:arm64 \
    nlohmann-json3-dev libcli11-dev)
  local deb
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$sysroot"; done
  rm -r "$debs"
  touch "$sysroot/complete"
}

[ $# -ge 1 ] || usage
target=$1
shift
build=build/$target
options=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DANEMONE_BENCHMARKS=OFF)
emulator=()
case "$target" in
avx2)
  scripts/setup.sh
  options+=(-DANEMONE_HWY_LIMIT=AVX2)
  export ONEDNN_MAX_CPU_ISA=AVX2
  ;;
arm64)
  scripts/setup.sh
  install_arm64 "$PWD/$build/sysroot"
  options+=(-DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DANEMONE_SYSROOT="$PWD/$build/sysroot")
  emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
  ;;
*) usage ;;
esac

# What computes, and what calls it.
modules=("$@")
[ $# -gt 0 ] || modules=(base tensor ops passes autodiff kernels cpu nn runtime train generate)

cmake -S . -B "$build" "${options[@]}" >/dev/null
cmake --build "$build" -j "${ANEMONE_JOBS:-$(getconf _NPROCESSORS_ONLN)}" \
  --target "${modules[@]/%/_test}"

failed=()
for module in "${modules[@]}"; do
  program=$(find "$build" -name "${module}_test" -type f)
  echo "$module"
  "${emulator[@]}" "$program" --gtest_brief=1 || failed+=("$module")
done
[ ${#failed[@]} -eq 0 ] || { echo "test_portable: failed in ${failed[*]}" >&2; exit 1; }
