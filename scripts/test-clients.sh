#!/usr/bin/env bash
# Tries the wheels of a directory with what people install and load them by, pinned by hash: the export of the universal
# wheels with Hugging Face's kernels and kernel-abi-check, every wheel with pip and uv from an index, and one over
# another SageAttention.
#
#   scripts/test-clients.sh [DIST]
#
# `sagebuild bake universal` makes the wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=${1:-dist}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1

clients=$(scripts/pinned-packages.sh clients kernels uv)
python3 -m pip download --quiet --no-deps --require-hashes --dest "$temporary/upstream" -r lock/upstream.txt
export PATH=$clients/bin:$PATH

bin/sagebuild export --format hf-kernels --dist "$dist" --output "$temporary/kernel"
PYTHONPATH=$clients python3 scripts/check-kernel.py "$temporary/kernel"
bin/sagebuild index --check --dist "$dist"
python3 scripts/check-beside.py "$dist"/sageattention-*-py3-none-*linux*_"$(uname -m)".whl "$temporary"/upstream/*.whl
