"""compile: device sources to one cubin each for an SM, and for one SM to PTX too; or to PTX alone, for assemble."""

from __future__ import annotations

import argparse
import functools
import pathlib
import re
import time
from collections.abc import Sequence

from . import handover, packages, pool, resources
from .errors import BuildError
from .nvrtc import Compiled, Nvrtc

OPTIONS = ["-std=c++17", "--fmad=true", "-default-device", "-DNDEBUG", "--ptxas-options=-v"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sm", required=True, help="architecture, such as 9.0 or 9.0a")
    ptx = parser.add_mutually_exclusive_group()
    ptx.add_argument("--ptx-sm", help="write PTX too if this is the --sm")
    ptx.add_argument("--ptx-only", action="store_true", help="write PTX and no cubin, for: build_backend assemble")
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
    pool.run(arguments.jobs, functools.partial(_compile, arguments, digits), arguments.sources)
    return 0


def _compile(arguments: argparse.Namespace, digits: str, source: pathlib.Path) -> None:
    """Compiles one source, in whatever process."""
    compiler = Nvrtc()
    _check_supported(compiler, arguments.sm, digits)
    started = time.process_time()
    target = f"{'compute' if arguments.ptx_only else 'sm'}_{digits}"
    made = compile_source(compiler, source, target, arguments.include, arguments.define)
    seconds = time.process_time() - started
    if arguments.ptx_only or (arguments.ptx_sm is not None and architecture(arguments.ptx_sm) == digits):
        handover.write(arguments.output / f"{source.stem}.compute_{digits}.ptx", made.ptx)
    if arguments.ptx_only:
        print(f"{source.name} {target}: {seconds:.1f} s of CPU", flush=True)
        return
    handover.write(arguments.output / f"{source.stem}.sm_{digits}.cubin", made.cubin)
    resources.judge(source.name, digits, made.log, seconds, arguments.verbose, arguments.allow_spills)


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
    """Compiles a file: for sm_XY a cubin, and the PTX that it was made from; for compute_XY the PTX alone."""
    directories = [source.parent, *includes, *packages.include_directories()]
    options = [
        f"--gpu-architecture={target}",
        *OPTIONS,
        *(f"--include-path={path}" for path in directories),
        *(f"--define-macro={macro}" for macro in macros),
    ]
    return compiler.compile(source.read_text("utf-8"), source.name, options)


def _check_supported(compiler: Nvrtc, sm: str, digits: str) -> None:
    if int(digits.rstrip("af")) not in compiler.supported():
        version = ".".join(map(str, compiler.version))
        raise BuildError(
            f"NVRTC {version} cannot target SM {sm}", "pip install --upgrade nvidia-cuda-nvrtc-cu12"
        )
