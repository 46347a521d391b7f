#!/usr/bin/env bash
# Runs the Python tests that need neither torch nor a GPU; the others run in the test stage and on a GPU.
set -euo pipefail
cd "$(dirname "$0")/../python"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=. exec python3 -m pytest -q -p no:cacheprovider tests/backend
