"""What kernels take of an SM: registers, stack, static shared memory, by the verbose report of ptxas."""

from __future__ import annotations

import re
import sys

from .errors import BuildError

Kernels = dict[str, dict[str, int]]  # kernel → {"registers", "spill_bytes", "stack_bytes", "shared_bytes"}

# ptxas -v: "Compiling entry function 'quantize' for 'sm_90'", "N bytes stack frame, …", "Used N registers, …".
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def read(log: str) -> Kernels:
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


def judge(source: str, digits: str, log: str, seconds: float, verbose: bool, allow_spills: bool = False) -> None:
    """Prints a line about machine code, and one for each kernel if verbose.

    Raises BuildError for a kernel that spills registers, unless that is allowed, and for a report without kernels.
    """
    kernels = read(log)
    if not kernels:
        raise BuildError(f"{source}: no kernel in it, or the compiler's report could not be read:\n{log}")
    _print(source, digits, kernels, seconds, verbose)
    if not allow_spills:
        _refuse_spills(source, digits, kernels)


def _print(source: str, digits: str, kernels: Kernels, seconds: float, verbose: bool) -> None:
    worst = max(kernel["registers"] for kernel in kernels.values())
    print(f"{source} sm_{digits}: {len(kernels)} kernels, at most {worst} registers, {seconds:.1f} s of CPU")
    if verbose:
        for name, kernel in kernels.items():
            print(
                "  {}: {registers} registers, {spill_bytes} bytes spilled, {stack_bytes} bytes stack, "
                "{shared_bytes} bytes static shared memory".format(name, **kernel)
            )
    sys.stdout.flush()


def _refuse_spills(source: str, digits: str, kernels: Kernels) -> None:
    spilling = [
        f"{name} ({kernel['spill_bytes']} bytes)"
        for name, kernel in kernels.items()
        if kernel["spill_bytes"]
    ]
    if spilling:
        raise BuildError(f"{source} for sm_{digits} spills registers: {', '.join(spilling)}")
