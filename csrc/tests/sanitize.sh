#!/bin/sh
# compute-sanitizer over small cases of every family. Usage: sanitize.sh DIRECTORY RESULTS (see run_families.sh)
set -u
here=$(dirname "$0") directory=$(realpath "$1") results=$2
# API errors are not reported: asking each container of the fatbin for a kernel fails in those without it, and
# the library handles that. PyTorch's allocator would hide an access behind a tensor.
export SAGEATTN_LIBRARY="$directory/libsageattn.so" PYTORCH_NO_CUDA_MEMORY_CACHING=1
status=0
check() { # tool, family, tests
    log="$results/$1-$2.log"
    SAGEATTN_FATBIN="$directory/$2.fatbin" timeout 200 compute-sanitizer --tool "$1" --error-exitcode 9 --report-api-errors no \
        --kernel-name-exclude "kns=at::" python3 -m pytest -q -p no:cacheprovider "$here/test_kernels.py" -k "$3" >"$log" 2>&1
    code=$?
    echo "$1 $2: exit $code; $(grep -E ' passed| failed' "$log" | tail -n 1); $(grep -E 'SUMMARY' "$log" | tail -n 1)"
    return $code
}
tests="(behind_the_tails and HND) or unaligned or (bit_exact and 129 and thread and bf16) or (mean_and and 77)"
pids=""
for family in sm80 sm75 sm70; do
    check memcheck $family "$tests" & pids="$pids $!"
    check racecheck $family "$tests" & pids="$pids $!"
done
for process in $pids; do wait "$process" || status=1; done
exit $status
