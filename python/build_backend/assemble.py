"""assemble: PTX that SMs share to a cubin each for one of them, and for one SM to PTX of its own too.

csrc/kernels.toml says of which SMs a source's PTX is the same; `compile --ptx-only` made it for the oldest of them.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import re

from . import handover, pool, resources
from .compile import architecture
from .errors import BuildError
from .ptxas import Ptxas, retargeted

_NAME = re.compile(r"(\w+)\.compute_(\d+)\.ptx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sm", required=True, help="architecture, such as 8.6; not older than the PTX's")
    parser.add_argument("--ptx-sm", help="write PTX too if this is the --sm")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="directory for the results")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="assemble so many files at a time")
    parser.add_argument("--verbose", action="store_true", help="print each kernel's registers")
    parser.add_argument("sources", nargs="+", type=pathlib.Path, metavar="SOURCE.compute_80.ptx")


def run(arguments: argparse.Namespace) -> int:
    """Assembles each file; the output's names are STEM.sm_86.cubin and STEM.compute_86.ptx."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    digits = architecture(arguments.sm)
    pool.run(arguments.jobs, functools.partial(_assemble, arguments, digits), arguments.sources)
    return 0


def _assemble(arguments: argparse.Namespace, digits: str, path: pathlib.Path) -> None:
    """Assembles one file, in whatever process."""
    started = _seconds()
    stem, target = _stem(path, digits), f"sm_{digits}"
    ptx = retargeted(handover.read(path), target)
    made = Ptxas().assemble(ptx, path.name, target)
    if arguments.ptx_sm is not None and architecture(arguments.ptx_sm) == digits:
        handover.write(arguments.output / f"{stem}.compute_{digits}.ptx", ptx)
    handover.write(arguments.output / f"{stem}.{target}.cubin", made.cubin)
    resources.judge(path.name, digits, made.log, _seconds() - started, arguments.verbose)


def _seconds() -> float:
    """CPU time of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _stem(path: pathlib.Path, digits: str) -> str:
    """The source's name. Raises BuildError for a file that is no PTX, or PTX that this SM does not run."""
    match = _NAME.fullmatch(path.name)
    if not match:
        hint = "python3 -m build_backend compile --help"
        raise BuildError(f"{path}: want a name such as quantize.compute_80.ptx", hint)
    if not digits.isdigit() or int(match[2]) > int(digits):
        raise BuildError(f"{path.name} is no PTX for sm_{digits}: only a newer SM without suffix runs it")
    return match[1]
