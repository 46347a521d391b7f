#!/usr/bin/env bash
# Tests and measures a wheel on an NVIDIA GPU, and writes what docs/gpu-results keeps.
#
#   scripts/gpu-results.sh [WHEEL]                both steps here; the report goes to docs/gpu-results/
#   scripts/gpu-results.sh prepare DIR [WHEEL]    on a build machine: all that the GPU machine needs, into DIR
#   DIR/scripts/gpu-results.sh run DIR OUT        on the GPU machine, offline: OUT/GPU.md and OUT/details.tar.gz
#   DIR/scripts/gpu-results.sh measure DIR OUT    there too, five minutes: OUT/tune-GPU.md, OUT/bench-GPU.md and
#                                                 OUT/tune.json, which scripts/ship-table.py ships
#
# WHEEL is by default that of the default target, in dist/. The GPU machine needs the driver, the wheel's Python with
# torch and pip, and compute-sanitizer for the part that uses it. PYTHON names another Python than python3. What has
# not begun after GPU_RESULTS_SECONDS (540) is left out, and the report says so. With GPU_RESULTS_BENCH=1, prepare takes
# the peers of python/bench along (50 MB), and run measures beside them, last, in the time that is left.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
export PYTHONDONTWRITEBYTECODE=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

fail() { # message, command that helps
    echo "error: $1" >&2
    [[ -z ${2:-} ]] || echo "  try: $2" >&2
    exit 3
}

need_pip() { "$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip" "apt-get install python3-pip"; }

# ---- prepare ----------------------------------------------------------------------------------------------

default_wheel() {
    [[ -x $root/bin/sagebuild ]] || fail "no WHEEL is given, and bin/sagebuild, which knows the default, is not built" "make build"
    local name
    name=$(cd "$root" && bin/sagebuild matrix default --json |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["cells"][0]["wheel"])')
    echo "$root/dist/$name"
}

backend() { PYTHONPATH="$root/python:$toolchain" "$python" -m build_backend "$@"; }

# PTX of an older family, which the driver of a newer GPU compiles: compute_75 and compute_70 run on all since.
family() { # name, SM, output
    local digits=${2/./}
    backend compile --allow-spills --sm "$2" --ptx-sm "$2" --include "$root/csrc/device" --output "$temporary/$1" \
        "$root"/csrc/device/mma/{attention_*_"$1",pack_mask}.cu "$root/csrc/device/quantize/quantize.cu"
    rm "$temporary/$1"/*."sm_$digits".cubin{,.sha256}
    backend fatbin --output "$3" "$temporary/$1"
}

# Kernels that a wheel holds for other SMs alone, compiled for SM 9.0: sums within a key tile, in float16, and by the
# product with scales, which is emulated.
accum_f16() { # output
    backend compile --sm 9.0 --define SAGEATTN_EMULATE_FP8_SCALED --include "$root/csrc/device" \
        --output "$temporary/accum-f16" \
        "$root"/csrc/device/mma/attention_{fp16_sm80,fp16_accum_f16_sm80,fp8_sm89,fp8_accum_f16_sm89,fp8_scaled_sm120}.cu \
        "$root"/csrc/device/quantize/{quantize,quantize_value}.cu
    backend fatbin --output "$1" "$temporary/accum-f16"
}

# FP4 kernels for SM 9.0, whose product is emulated: for tests alone.
fp4() { # output
    backend compile --allow-spills --sm 9.0 --define SAGEATTN_EMULATE_FP4 --include "$root/csrc/device" \
        --output "$temporary/fp4" "$root"/csrc/device/fp4/*_sm120.cu
    backend fatbin --output "$1" "$temporary/fp4"
}

# The same folders as in the repository, so that the tests find each other.
copy_tests() { # directory
    mkdir -p "$1/python/sageattention" "$1/python/tests" "$1/csrc/tests" "$1/scripts"
    cp "$root"/python/sageattention/{_abi,_kinds}.py "$1/python/sageattention/"
    cp "$root"/python/tests/{conftest.py,pytest.ini} "$1/python/tests/"
    cp -r "$root"/python/tests/{gpu,support} "$1/python/tests/"
    cp -r "$root/python/tests/sage3_gpu" "$1/python/tests/"
    install -D "$root/python/tests/sage3/sage3_callers.py" "$1/python/tests/sage3/sage3_callers.py"
    cp -r "$root/python/bench" "$1/python/"
    cp -rL "$root/python/sageattn3" "$1/python/" # with _core, a link to sageattention
    cp "$root"/csrc/tests/{*.py,pytest.ini} "$1/csrc/tests/"
    cp "$root/scripts/gpu-results.sh" "$1/scripts/"
    find "$1" -name __pycache__ -prune -exec rm -rf {} +
}

# The benchmark's peers, as wheels for the Python of the wheel. A peer that cannot be downloaded is named.
peers() { # directory, wheel
    local tag name platforms=()
    tag=$(basename "$2" | grep -o 'cp3[0-9]*' | head -n 1) || tag=cp312
    for name in 2_28 2_27 2_24 2_17; do platforms+=(--platform "manylinux_${name}_x86_64"); done
    for name in sageattention==1.0.6 comfy-kitchen==0.2.40 nvidia-cudnn-frontend==1.32.0; do
        "$python" -m pip download --quiet --no-deps --only-binary :all: --python-version "3.${tag#cp3}" \
            --implementation cp "${platforms[@]}" --platform manylinux2014_x86_64 --dest "$1" "$name" ||
            echo "warning: $name could not be downloaded: the benchmark will name it as missing" >&2
    done
    "$python" - "$1" <<'EOF' # comfy-kitchen's kernels for AMD are half of its wheel
import pathlib, sys, zipfile

for path in pathlib.Path(sys.argv[1]).glob("comfy_kitchen-*.whl"):
    whole = path.rename(path.with_suffix(".whole"))
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if not (item.filename.startswith("comfy_kitchen/backends/hip/") and item.filename.endswith(".so")):
                new.writestr(item, old.read(item))
    whole.unlink()
EOF
}

commit() {
    local changes
    changes=$(git -C "$root" status --porcelain -- csrc python scripts 2>/dev/null | head -n 1) || true
    echo "$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)${changes:+, with changes}"
}

prepare() { # directory, wheel
    local directory=$1 wheel=${2:-}
    wheel=${wheel:-$(default_wheel)}
    [[ -f $wheel ]] || fail "no wheel at $wheel" "make wheel"
    need_pip
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    toolchain=$temporary/toolchain
    "$python" -m pip install --quiet --no-deps --require-hashes --target "$toolchain" \
        --requirement "$root/lock/toolchain-cu129.txt" || fail "the compilers could not be installed"

    mkdir -p "$directory"
    rm -rf "$directory"/{wheel,wheels,peers,families,python,csrc,scripts,commit}
    mkdir "$directory"/{wheel,wheels,families}
    cp "$wheel" "$directory/wheel/"
    copy_tests "$directory"
    family sm75 7.5 "$directory/families/sm75.fatbin"
    family sm70 7.0 "$directory/families/sm70.fatbin"
    accum_f16 "$directory/families/accum-f16.fatbin"
    fp4 "$directory/families/fp4.fatbin"
    backend compile --sm 12.0 --include "$root/csrc/device" --output "$temporary/other" "$root/csrc/device/quantize/quantize.cu"
    backend fatbin --output "$directory/families/other.fatbin" "$temporary/other"
    "$python" -m pip download --quiet --dest "$directory/wheels" --only-binary :all: --python-version 3.10 \
        pytest iniconfig pluggy packaging pygments exceptiongroup tomli typing-extensions ||
        echo "warning: pytest could not be downloaded: the GPU machine needs its own" >&2
    if [[ -n ${GPU_RESULTS_BENCH:-} ]]; then
        mkdir "$directory/peers"
        peers "$directory/peers" "$wheel"
    fi
    commit >"$directory/commit"
    echo "$directory: $(du -sh "$directory" | cut -f 1)"
}

# ---- run --------------------------------------------------------------------------------------------------

need_gpu() {
    unset SAGEATTN_FATBIN SAGEATTN_ALLOW_SOURCE
    command -v nvidia-smi >/dev/null || fail "no NVIDIA GPU here: nvidia-smi is not on PATH"
    nvidia-smi --query-gpu=name --format=csv,noheader >/dev/null || fail "nvidia-smi finds no GPU" "nvidia-smi"
    "$python" -c 'import torch' 2>/dev/null || fail "$python has no torch" "PYTHON=/path/to/python $0 run DIR OUT"
    "$python" -c 'import torch; raise SystemExit(not torch.cuda.is_available())' ||
        fail "torch finds no usable GPU" "$python -c 'import torch; torch.cuda.init()'"
    need_pip
}

# Into a folder that comes before the Python's own packages; conftest.py wants this name.
install_wheel() {
    site=$work/site-packages
    "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$bundle"/wheel/*.whl ||
        fail "the wheel cannot be installed: $(basename "$bundle"/wheel/*.whl) is for another Python or platform"
    if ! "$python" -c 'import pytest' 2>/dev/null; then
        "$python" -m pip install --quiet --no-index --find-links "$bundle/wheels" --target "$site" pytest ||
            fail "pytest is neither installed nor in $bundle/wheels" "$python -m pip install pytest"
    fi
    export PYTHONPATH="$site" SAGEATTN_LIBRARY="$site/sageattention/lib/libsageattn.so"
    wheel_fatbin="$site/sageattention/lib/sageattn.fatbin"
    attention=(env PYTHONPATH="$site:$bundle/python" "$python" -m bench.attention)
}

seconds_left() { echo $((${GPU_RESULTS_SECONDS:-540} - SECONDS)); }

# Runs a phase with a time limit, its output in a log; a failed phase fails the run, but not the other phases.
phase() { # name, seconds, command…
    local name=$1 limit=$2 start=$SECONDS code=0 left
    left=$(seconds_left)
    shift 2
    if ((left <= 0)); then
        echo "no time was left" >"$work/$name.log"
        code=124
    else
        timeout --kill-after 5 $((left < limit ? left : limit)) "$@" >"$work/$name.log" 2>&1 || code=$?
    fi
    printf '%s\t%s\t%s\n' "$name" "$code" $((SECONDS - start)) >>"$work/phases.tsv"
    echo "$name: exit $code, $((SECONDS - start)) s; $(tail -n 1 "$work/$name.log")"
}

tests() { # name, seconds, fatbin ("": the package's own), arguments of pytest
    local name=$1 limit=$2 fatbin=$3
    shift 3
    phase "$name" "$limit" env ${fatbin:+SAGEATTN_FATBIN="$fatbin"} "$python" -m pytest -q -p no:cacheprovider \
        --junitxml="$work/$name.xml" "$@"
}

# Families that this GPU can run; the driver keeps what it compiles, so that later phases need not.
families() {
    "$python" -c 'import torch
major, minor = torch.cuda.get_device_capability()
sm = 10 * major + minor
print(*["sm75"] * (sm >= 75), *["sm70"] * (sm >= 70), *["accum-f16", "fp4"] * (sm == 90))'
}

test_families() { # names
    local name
    for name in "$@"; do
        local note=PTX what=(-m "not library" "$kernels")
        case $name in
        sm70) note="PTX, m8n8k4 emulated" ;;
        accum-f16) note="compiled for SM 9.0" what=("$kernels/test_value.py") ;;
        fp4) note="FP4 product emulated" what=("$kernels/test_fp4.py") ;;
        esac
        SAGEATTN_FAMILY_NOTE=$note tests "$name" 90 "$bundle/families/$name.fatbin" "${what[@]}"
    done
}

# sageattn3 from its sources, on the kernels with an emulated product, and the wheel's for what FP4 does not take.
test_sage3() {
    local package=$work/sage3
    mkdir "$package"
    cp -r "$bundle/python/sageattn3" "$package/"
    install -D "$SAGEATTN_LIBRARY" "$package/sageattn3/lib/libsageattn.so"
    cat "$wheel_fatbin" "$bundle/families/fp4.fatbin" >"$package/sageattn3.fatbin"
    PYTHONPATH="$package:$site:$bundle/python/tests/sage3" SAGEATTN3_FATBIN="$package/sageattn3.fatbin" \
        tests sage3 90 "" "$bundle/python/tests/sage3_gpu"
}

sanitize() { # name, fatbin, script
    local tool sanitizer script=${3:-sanitize_cases.py}
    sanitizer=$(PATH="$PATH:/usr/local/cuda/bin" type -P compute-sanitizer) || return 0 # the report says so
    for tool in memcheck racecheck synccheck initcheck; do
        phase "$tool-$1" 60 env SAGEATTN_FATBIN="$2" "$sanitizer" --tool "$tool" --error-exitcode 9 \
            "$python" "$bundle/csrc/tests/$script"
    done
}

# Speed beside PyTorch's attention, from the installed wheel.
speed() {
    phase speed 90 "${attention[@]}" --seconds 0.1 --budget 70 \
        --case hd{64,96,128,192,256}-s{4096,8192}{,-causal} --method sageattn torch-flash torch-cudnn --values none \
        --markdown speed.md
}

# Which calls go to torch on this card. The table is stored for the commands that follow, and not among the user's.
tune() {
    export XDG_CACHE_HOME=$work/cache
    phase tune 120 bash -c '"$0" -m sageattention tune --json --seconds 60 >tune.json' "$python"
}

# Every case by the table that was just measured, beside torch's attention; in turn, for fair ratios.
bench_all() {
    local left
    left=$(seconds_left)
    phase bench "$left" "${attention[@]}" --case all --seconds 0.12 --rounds 2 \
        --budget $((left > 60 ? left - 30 : 30)) --method sageattn quantised torch-cudnn torch-flash --values none \
        --json bench.json --markdown bench.md
}

# Speed and accuracy beside the peers, in the working folder. Figures are saved as they come: the tables are of those.
bench() {
    local left wheel folder
    left=$(seconds_left)
    mkdir -p peers sageattention-1
    for wheel in "$bundle"/peers/*.whl; do
        [[ -f $wheel ]] || continue
        folder=peers
        [[ $(basename "$wheel") != sageattention-1.* ]] || folder=sageattention-1
        "$python" -m zipfile -e "$wheel" "$folder"
    done
    phase bench "$left" "${attention[@]}" --case short --seconds 0.2 --budget $((left > 80 ? left - 50 : 30)) \
        --peers peers --sageattention-1 sageattention-1 --json bench.json
    [[ -f bench.json ]] || return 0
    "${attention[@]}" --read bench.json --markdown bench.md >bench-tables.log 2>&1 || true
    "${attention[@]}" --read bench.json --plot bench.png >bench-plot.log 2>&1 || true
}

# The working folder, with the wheel unpacked; nothing of the repository may be imported instead of it.
begin() { # bundle, output
    bundle=$(cd "$1" && pwd)
    kernels=$bundle/csrc/tests
    need_gpu
    mkdir -p "$2"
    output=$(cd "$2" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    SECONDS=0
    cd "$work"
    install_wheel
}

all_passed() { [[ -z $(awk '$2 != 0' "$work/phases.tsv") ]]; }

measure() { # bundle, output
    begin "$@"
    tune
    [[ -s tune.json ]] || fail "tune measured nothing"
    cp tune.json "$output/"
    bench_all
    "$python" "$kernels/measured.py" "$work" "$output"
    all_passed
}

run() { # bundle, output
    local name names
    begin "$@"
    [[ $("$python" -c 'import torch; print(torch.cuda.get_device_capability()[0])') == 12 ]] ||
        export SAGEATTN_OTHER_FATBIN="$bundle/families/other.fatbin" # images of SM 12.0

    read -ra names <<<"$(families)"
    test_families "${names[@]}" & # the wheel's tests keep the GPU idle while Triton compiles
    tests wheel 240 "" --gpu-results="$work/accuracy.md" "$bundle/python/tests/gpu"
    wait
    tests library 150 "$wheel_fatbin" "$kernels" # every kernel that the driver takes from the wheel
    [[ " ${names[*]} " != *" fp4 "* ]] || test_sage3
    speed
    sanitize wheel "$wheel_fatbin"
    for name in "${names[@]}"; do
        case $name in
        accum-f16) # SM 9.0
            sanitize wgmma "$wheel_fatbin" sanitize_wgmma.py
            sanitize "$name" "$bundle/families/$name.fatbin"
            ;;
        fp4) sanitize fp4 "$bundle/families/fp4.fatbin" sanitize_fp4.py ;;
        *) sanitize "$name" "$bundle/families/$name.fatbin" ;;
        esac
    done
    [[ -z ${GPU_RESULTS_BENCH:-} ]] || bench

    "$python" "$kernels/report.py" "$work" "$bundle" "$output"
    tar -czf "$output/details.tar.gz" -C "$work" --exclude site-packages --exclude ./peers --exclude ./sageattention-1 .
    all_passed
}

case ${1:-} in
prepare)
    (($# == 2 || $# == 3)) || fail "prepare takes a directory and a wheel" "$0 prepare DIR [WHEEL]"
    prepare "$2" "${3:-}"
    ;;
run | measure)
    (($# == 3)) || fail "$1 takes the prepared directory and one for results" "$0 $1 DIR OUT"
    [[ -f $2/commit ]] || fail "$2 was not made by prepare" "$0 prepare $2"
    "$1" "$2" "$3"
    ;;
-*) sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" ;;
*)
    need_gpu
    bundle=$(mktemp -d)
    trap 'rm -rf "$bundle"' EXIT
    "${BASH_SOURCE[0]}" prepare "$bundle/prepared" "${1:-}"
    code=0
    "${BASH_SOURCE[0]}" run "$bundle/prepared" "$bundle/results" || code=$?
    ((code == 3)) || cp "$bundle"/results/*.md "$root/docs/gpu-results/"
    exit "$code"
    ;;
esac
