#!/usr/bin/env bash
# Runs the Python tests that need neither torch nor a GPU; the others run in the test stage and on a GPU, and the
# benchmark's tests skip without torch. The tests drive the compilers of the default wheel, pinned by hash, and those of
# three other CUDAs for what a CUDA compiles wrong. The C library is built for every platform; for ARM64 and Windows it
# runs where qemu-user with libc6-arm64-cross, and wine, are installed.
#
#   scripts/test-python.sh [OPTION...]      options of pytest, such as --durations=20
set -euo pipefail
cd "$(dirname "$0")/../python"
packages=../scripts/pinned-packages.sh
compilers=$($packages compilers toolchain-cu129 ptxas-cu129 host-toolchain nvdisasm)
xdist=$($packages pytest-xdist pytest-xdist)
others=$(mktemp -d)
trap 'rm -rf "$others"' EXIT
for cuda in cu126 cu128 cu130; do
    ln -s "$($packages "toolchain-$cuda" "toolchain-$cuda")" "$others/$cuda"
done
# A process takes a file of tests at a time, the folders with long ones first.
SAGEBUILD_TOOLCHAINS=$others PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:$compilers:$xdist \
    python3 -m pytest -c tests/pytest.ini -q -rs -p no:cacheprovider \
    --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder "$@" \
    ../csrc/tests/host tests/backend tests/bench ../scripts
