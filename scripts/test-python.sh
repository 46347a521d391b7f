#!/usr/bin/env bash
# Runs the Python tests that need neither torch nor a GPU; the others run in the test stage and on a GPU, and the
# benchmark's tests skip without torch. The tests drive the compilers of the default wheel, pinned by hash, and those of
# three other CUDAs for what a CUDA compiles wrong. The C library is built for every platform; for ARM64 and Windows it
# runs where qemu-user with libc6-arm64-cross, and wine, are installed.
set -euo pipefail
cd "$(dirname "$0")/../python"
toolchain=$(mktemp -d)
trap 'rm -rf "$toolchain"' EXIT
install() {
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --no-compile --require-hashes --target "$@"
}
install "$toolchain/default" -r ../lock/toolchain-cu129.txt -r ../lock/ptxas-cu129.txt -r ../lock/host-toolchain.txt -r ../lock/nvdisasm.txt
for cuda in cu126 cu128 cu130; do
    install "$toolchain/others/$cuda" -r "../lock/toolchain-$cuda.txt"
done
SAGEBUILD_TOOLCHAINS=$toolchain/others PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:$toolchain/default \
    python3 -m pytest -q -rs -p no:cacheprovider tests/backend tests/bench ../csrc/tests/host ../scripts
