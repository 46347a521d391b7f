#!/usr/bin/env bash
# Installs Python packages below bin/, pinned by hash in files of lock/, and prints their folder. The folder is named
# after the pins and the Python, so that it is made once. zig's cache knows a zig by its place: from another folder zig
# compiles the C runtime of Windows again, for minutes.
#
#   scripts/pinned-packages.sh NAME LOCK...
#   scripts/pinned-packages.sh compilers-cu129 toolchain-cu129 ptxas-cu129
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1
shift
locks=("${@/%/.txt}")
locks=("${locks[@]/#/lock/}")
pins=$(cat "${locks[@]}" <(python3 --version) | sha256sum | cut -c 1-16)
packages=$PWD/bin/$name-$pins
if [[ ! -d $packages ]]; then
    mkdir -p bin
    aside=$(mktemp -d "bin/$name.XXXXXX")
    trap 'rm -rf "$aside"' EXIT
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --require-hashes --target "$aside/packages" \
        "${locks[@]/#/--requirement=}"
    [[ -d $packages ]] || mv --no-target-directory "$aside/packages" "$packages" # unless another made it meanwhile
fi
echo "$packages"
