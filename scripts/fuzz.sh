#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: scripts/fuzz.sh 30s
set -euo pipefail

time=${1:-30s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r package; do
    grep -rhoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' "$package" | sed 's/^func //' | sort -u | while read -r target; do
        echo "fuzz: $package $target"
        go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x </dev/null
    done
done
