#!/usr/bin/env bash
# Exports the universal wheels of a directory and checks the export with Hugging Face's kernels and kernel-abi-check,
# pinned by hash; then pip and uv install every wheel of the directory from an index.
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

python3 -m pip install --quiet --no-deps --no-compile --require-hashes --target "$temporary/site" \
    -r lock/kernels.txt -r lock/uv.txt
bin/sagebuild export --format hf-kernels --dist "$dist" --output "$temporary/kernel"
PYTHONPATH=$temporary/site python3 scripts/check-kernel.py "$temporary/kernel"
PYTHONPATH=$temporary/site PATH=$temporary/site/bin:$PATH bin/sagebuild index --check --dist "$dist"
