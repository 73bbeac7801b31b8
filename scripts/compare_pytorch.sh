#!/usr/bin/env bash
# Lays a training step beside the same one in PyTorch, as Debian packages it: Stories110M, one
# micro-step of 1 x 256 tokens forward and backward, no optimizer, in turns, on the same threads.
#
#   scripts/compare_pytorch.sh [--dtype fp32|bf16|both] [--accum N...] [--rounds N] [--threads N] [--patience S] [--json]
#
# ANEMONE   a program that is built already, instead of building the release preset
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

python=/usr/bin/python3 # the one that sees Debian's packages
# Debian's PyTorch multiplies with whichever libblas.so.3 there is, and the reference one is a
# hundred times slower: it gets OpenBLAS, and the one whose threads are PyTorch's own.
packages=(python3-torch libopenblas0-openmp)

command -v apt-get >/dev/null || {
  echo "compare_pytorch: it takes Debian's python3-torch, and there is no apt-get here" >&2
  exit 2
}
"$python" tools/compare_pytorch.py --check-flags "$@" # before anything is installed or built
case " $* " in *" -h "* | *" --help "*) exit ;; esac
install_packages "${packages[@]}"

# Either of them makes OpenBLAS run kernels for an older processor, at about half the speed.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
openblas=$(dirname "$(dpkg -L libopenblas0-openmp | grep '/libblas\.so\.3$')")
export LD_LIBRARY_PATH="$openblas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PYTHONDONTWRITEBYTECODE=1

anemone=${ANEMONE:-build/release/cli/anemone}
if [ -z "${ANEMONE:-}" ]; then
  scripts/setup.sh >&2
  cmake --preset release >/dev/null
  cmake --build --preset release --target anemone >&2
fi

# A comparison of two models that are not the same would say nothing.
"$python" tools/pytorch_step.py check >&2
exec "$python" tools/compare_pytorch.py --anemone "$anemone" "$@"
