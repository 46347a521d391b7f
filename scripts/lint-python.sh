#!/usr/bin/env bash
# Checks the Python code by ruff (ruff.toml) and mypy (python/pyproject.toml).
#
#   scripts/lint-python.sh           without torch: the checks that torch's own types decide are left out
#   scripts/lint-python.sh PYTHON    with all checks; PYTHON is an interpreter that has torch
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(scripts/pinned-packages.sh lint lint)
"$tools/bin/ruff" check --quiet
cd python
if (($#)); then
    options=(--cache-dir ../bin/mypy-torch --python-executable "$1")
else
    options=(
        --cache-dir ../bin/mypy --ignore-missing-imports --no-warn-unused-ignores --no-warn-return-any
        --allow-subclassing-any --allow-untyped-decorators
    )
fi
PYTHONPATH=$tools python3 -m mypy "${options[@]}"
