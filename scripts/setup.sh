#!/usr/bin/env bash
# Installs what building and testing needs, where it is missing: Debian packages or Homebrew formulas.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

debian_packages=(
  g++ cmake ninja-build ccache pkg-config git ca-certificates
  libdnnl-dev libhwy-dev libfmt-dev nlohmann-json3-dev libcli11-dev libsentencepiece-dev
  libprotobuf-dev protobuf-compiler libzip-dev
  libxxhash-dev libpcre2-dev libicu-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-format python3 python3-numpy gnuplot-nox
)
brew_formulas=(cmake ninja ccache pkg-config highway fmt nlohmann-json cli11 sentencepiece protobuf libzip xxhash
  pcre2 icu4c googletest google-benchmark clang-format numpy gnuplot)

install_homebrew() {
  local missing=() formula
  for formula in "${brew_formulas[@]}"; do
    brew list --formula "$formula" >/dev/null 2>&1 || missing+=("$formula")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "setup: installing ${missing[*]}"
  brew install --quiet "${missing[@]}"
}

if [ "$(uname)" = Darwin ]; then
  command -v brew >/dev/null || { echo "setup: install Homebrew first (https://brew.sh)" >&2; exit 2; }
  install_homebrew
elif command -v apt-get >/dev/null; then
  install_packages "${debian_packages[@]}"
else
  echo "setup: neither apt-get nor brew here; install the packages named in scripts/setup.sh" >&2
  exit 2
fi
