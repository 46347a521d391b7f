#!/bin/sh
# Runs the kernel tests for every family whose fatbin lies in the given directory, beside libsageattn.so:
# sm80.fatbin (built for the GPU at hand), sm75.fatbin and sm70.fatbin (PTX alone, compiled by the driver),
# other.fatbin (SM 12.0). Usage: run_families.sh DIRECTORY RESULTS
set -u
here=$(dirname "$0") directory=$(realpath "$1") results=$2
export SAGEATTN_LIBRARY="$directory/libsageattn.so" SAGEATTN_OTHER_FATBIN="$directory/other.fatbin"
status=0
run() { # family, note
    SAGEATTN_FATBIN="$directory/$1.fatbin" SAGEATTN_FAMILY_NOTE="$2" python3 -m pytest -q -p no:cacheprovider \
        --junitxml="$results/kernels-$1.xml" "$here/test_kernels.py" >"$results/kernels-$1.log" 2>&1
    code=$?
    echo "family $1: $(tail -n 1 "$results/kernels-$1.log")"
    return $code
}
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
python3 -c 'import torch; print("torch", torch.__version__)'
run sm80 "" & first=$!
run sm75 "PTX" & second=$!
run sm70 "PTX, m8n8k4 emulated" & third=$!
for process in $first $second $third; do wait "$process" || status=1; done
python3 "$here/report.py" "$results"/kernels-*.xml
exit $status
