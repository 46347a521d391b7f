#!/usr/bin/env bash
# Runs the Python tests that need neither torch nor a GPU; the others run in the test stage and on a GPU, and the
# benchmark's tests skip without torch. The tests drive the compilers of the default wheel, pinned by hash. The C
# library is built for every platform; for ARM64 and Windows it runs where qemu-user with libc6-arm64-cross, and wine,
# are installed.
set -euo pipefail
cd "$(dirname "$0")/../python"
toolchain=$(mktemp -d)
trap 'rm -rf "$toolchain"' EXIT
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --no-compile --require-hashes --target "$toolchain" \
    -r ../lock/toolchain-cu129.txt -r ../lock/host-toolchain.txt
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:$toolchain python3 -m pytest -q -rs -p no:cacheprovider \
    tests/backend tests/bench ../csrc/tests/host ../scripts
