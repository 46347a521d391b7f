#!/usr/bin/env bash
# Checks the Python code: ruff (ruff.toml) and mypy (python/pyproject.toml), here without torch. A value of torch has no
# type then, so that the checks that torch's own types decide are left to the test stage, where torch is.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(scripts/lint-tools.sh)
"$tools/bin/ruff" check --quiet
cd python
PYTHONPATH=$tools python3 -m mypy --cache-dir ../bin/mypy --ignore-missing-imports --no-warn-unused-ignores \
    --no-warn-return-any --allow-subclassing-any --allow-untyped-decorators
