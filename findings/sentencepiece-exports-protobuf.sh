#!/usr/bin/env bash
# Debian 12's libsentencepiece0 0.1.97-3+b1 and libprotobuf32 3.21.12-3+deb12u1: two versions of protobuf
# with the same exported names.
#
# Debian's SentencePiece is built with a protobuf-lite of its own inside (3.14), and its shared
# library exports those symbols under the names that libprotobuf.so has. A program that links both
# gets whichever the dynamic linker finds first: libprotobuf's start-up then calls functions of the
# other version, and the process ends before main() (seen with GCC 12.2, whichever functions the
# program uses). Linking libprotobuf.a with -Wl,--exclude-libs,libprotobuf.a keeps them apart.
# Guess before running: Debian's package uses the system's libprotobuf-lite, or hides its own.
#
# Output seen (only names are compared here, nothing is run):
#   libsentencepiece.so needs libprotobuf: no
#   protobuf functions defined in both: more than 100
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq libsentencepiece0=0.1.97-3+b1 libprotobuf32=3.21.12-3+deb12u1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
sentencepiece="$(find root -name 'libsentencepiece.so.0' | head -n 1)"
protobuf="$(find root -name 'libprotobuf.so.32' | head -n 1)"
exported() { nm -D --defined-only "$1" | awk '{print $NF}' | sed 's/@.*//' | grep 6google8protobuf | sort -u; }
needs=no
if objdump -p "$sentencepiece" | grep -q 'NEEDED.*protobuf'; then needs=yes; fi
both="$(comm -12 <(exported "$sentencepiece") <(exported "$protobuf") | wc -l)"
echo "libsentencepiece.so needs libprotobuf: $needs"
echo "protobuf functions defined in both: $both"
[ "$needs" = no ]
[ "$both" -gt 100 ]
