#!/usr/bin/env bash
# Installs ruff, mypy and clang-format, pinned by hash in lock/lint.txt, below bin/ and prints the folder. The folder is
# named after the pins and the Python, so that it is made once.
set -euo pipefail
cd "$(dirname "$0")/.."

pins=$(cat lock/lint.txt <(python3 --version) | sha256sum | cut -c 1-16)
tools=$PWD/bin/lint-$pins
if [[ ! -d $tools ]]; then
    mkdir -p bin
    aside=$(mktemp -d bin/lint.XXXXXX)
    trap 'rm -rf "$aside"' EXIT
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --require-hashes --target "$aside/tools" -r lock/lint.txt
    mv "$aside/tools" "$tools"
fi
echo "$tools"
