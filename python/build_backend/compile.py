"""compile: device sources to one cubin each for an SM, and for one SM to PTX too."""

from __future__ import annotations

import argparse
import pathlib
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from . import handover, packages
from .errors import BuildError
from .nvrtc import Compiled, Nvrtc

Kernels = dict[str, dict[str, int]]  # kernel → {"registers", "spill_bytes", "stack_bytes", "shared_bytes"}

OPTIONS = ["-std=c++17", "--fmad=true", "-default-device", "-DNDEBUG", "--ptxas-options=-v"]

# ptxas -v: "Compiling entry function 'quantize' for 'sm_90'", "N bytes stack frame, …", "Used N registers, …".
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sm", required=True, help="architecture, such as 9.0 or 9.0a")
    parser.add_argument("--ptx-sm", help="write PTX too if this is the --sm")
    parser.add_argument(
        "--output", required=True, type=pathlib.Path, help="directory for the results"
    )
    parser.add_argument(
        "--include", action="append", default=[], help="another directory of headers"
    )
    parser.add_argument(
        "--allow-spills", action="store_true", help="do not fail on kernels that spill registers"
    )
    parser.add_argument("--define", action="append", default=[], metavar="NAME", help="a macro to define")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="compile so many sources at a time")
    parser.add_argument("--verbose", action="store_true", help="print each kernel's registers")
    parser.add_argument("sources", nargs="+", type=pathlib.Path, metavar="SOURCE.cu")


def run(arguments: argparse.Namespace) -> int:
    """Compiles each source; the output's names are STEM.sm_90.cubin and STEM.compute_90.ptx."""
    digits = architecture(arguments.sm)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.jobs <= 1 or len(arguments.sources) == 1:
        for source in arguments.sources:
            _compile(arguments, digits, source)
        return 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        compiling = [pool.submit(_compile, arguments, digits, source) for source in arguments.sources]
        try:
            for one in compiling:
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return 0


def _compile(arguments: argparse.Namespace, digits: str, source: pathlib.Path) -> None:
    """Compiles one source, in whatever process."""
    compiler = Nvrtc()
    _check_supported(compiler, arguments.sm, digits)
    started = time.process_time()
    made = compile_source(compiler, source, f"sm_{digits}", arguments.include, arguments.define)
    kernels = resources(made.log)
    if not kernels:
        raise BuildError(f"{source}: no kernel in it, or the compiler's report could not be read:\n{made.log}")
    handover.write(arguments.output / f"{source.stem}.sm_{digits}.cubin", made.cubin)
    if arguments.ptx_sm is not None and architecture(arguments.ptx_sm) == digits:
        handover.write(arguments.output / f"{source.stem}.compute_{digits}.ptx", made.ptx)
    _report(source, digits, kernels, time.process_time() - started, arguments.verbose)
    if not arguments.allow_spills:
        _refuse_spills(source, digits, kernels)


def architecture(sm: str) -> str:
    """ "9.0a" → "90a"; BuildError for anything else than MAJOR.MINOR with an optional a or f."""
    match = re.fullmatch(r"(\d{1,2})\.(\d)([af]?)", sm)
    if not match:
        raise BuildError(f"malformed SM {sm!r}: write it like 9.0")
    return "".join(match.groups())


def compile_source(
    compiler: Nvrtc,
    source: pathlib.Path,
    target: str,
    includes: Sequence[str] = (),
    macros: Sequence[str] = (),
) -> Compiled:
    """Compiles a file for sm_XY: a cubin, and the PTX that it was made from."""
    directories = [source.parent, *includes, *packages.include_directories()]
    options = [
        f"--gpu-architecture={target}",
        *OPTIONS,
        *(f"--include-path={path}" for path in directories),
        *(f"--define-macro={macro}" for macro in macros),
    ]
    return compiler.compile(source.read_text("utf-8"), source.name, options)


def resources(log: str) -> Kernels:
    """What each kernel takes, from ptxas's verbose report."""
    kernels: Kernels = {}
    current: dict[str, int] | None = None
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            current = kernels.setdefault(
                match[1],
                dict.fromkeys(("registers", "spill_bytes", "stack_bytes", "shared_bytes"), 0),
            )
        elif current is not None:
            if match := _SPILL.search(line):
                current["stack_bytes"] = int(match[1])
                current["spill_bytes"] = int(match[2]) + int(match[3])
            if match := _USED.search(line):
                current["registers"] = int(match[1])
            if match := _SHARED.search(line):
                current["shared_bytes"] = int(match[1])
    return kernels


def _check_supported(compiler: Nvrtc, sm: str, digits: str) -> None:
    if int(digits.rstrip("af")) not in compiler.supported():
        version = ".".join(map(str, compiler.version))
        raise BuildError(
            f"NVRTC {version} cannot target SM {sm}", "pip install --upgrade nvidia-cuda-nvrtc-cu12"
        )


def _report(source: pathlib.Path, digits: str, kernels: Kernels, seconds: float, verbose: bool) -> None:
    worst = max(kernel["registers"] for kernel in kernels.values())
    print(
        f"{source.name} sm_{digits}: {len(kernels)} kernels, at most {worst} registers, {seconds:.1f} s of CPU"
    )
    if verbose:
        for name, kernel in kernels.items():
            print(
                "  {}: {registers} registers, {spill_bytes} bytes spilled, {stack_bytes} bytes stack, "
                "{shared_bytes} bytes static shared memory".format(name, **kernel)
            )
    sys.stdout.flush()


def _refuse_spills(source: pathlib.Path, digits: str, kernels: Kernels) -> None:
    spilling = [
        f"{name} ({kernel['spill_bytes']} bytes)"
        for name, kernel in kernels.items()
        if kernel["spill_bytes"]
    ]
    if spilling:
        raise BuildError(f"{source.name} for sm_{digits} spills registers: {', '.join(spilling)}")
