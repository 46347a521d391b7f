#!/usr/bin/env bash
# Checks the layout of csrc against .clang-format; with the argument "fix" it lays the files out.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(scripts/pinned-packages.sh lint lint)
action=(--dry-run --Werror)
[[ ${1:-} != fix ]] || action=(-i)
find csrc -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' |
    xargs "$tools/clang_format/data/bin/clang-format" "${action[@]}" ||
    { echo "error: csrc is not laid out as .clang-format says; run: scripts/lint-c.sh fix" >&2 && exit 1; }
