"""Host time of a call: calls a second of the whole Python path, on a machine without a GPU.

    python -m bench.host                    this source tree
    python -m bench.host BEFORE AFTER       several trees, in turn, so that all meet the same machine

Shapes are small, the C library is real, and the CUDA driver is a stub: see stand_in. In each round every tree is
measured in a process of its own, by the fastest of many short chunks; a figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import stand_in

_CHECKOUT = Path(__file__).parents[2]
SMS = ("8.0", "8.9", "9.0")
ROUNDS = 5
CHUNKS, CALLS = 60, 50
_WARM_UP = 300


def cases(package: Any) -> dict[str, Callable[[], Any]]:
    """The calls that are timed, by name, on small float16 tensors of head dim 128."""
    q, k, v = (torch.zeros(1, 8, 64, 128, dtype=torch.float16) for _ in range(3))
    rows = tuple(x[0].transpose(0, 1).contiguous() for x in (q, k, v))
    starts = torch.tensor([0, 32, 64], dtype=torch.int32)
    mask = torch.ones(64, 64, dtype=torch.bool)
    return {
        "sageattn": lambda: package.sageattn(q, k, v),
        "sageattn, return_lse": lambda: package.sageattn(q, k, v, return_lse=True),
        "sageattn, attn_mask": lambda: package.sageattn(q, k, v, attn_mask=mask),
        "sageattn_qk_int8_pv_fp16_cuda": lambda: package.sageattn_qk_int8_pv_fp16_cuda(q, k, v),
        "the operator": lambda: torch.ops.sageattention.forward(q, k, v, None, False, 0, 0.1, "auto", 3, True, False),
        "sageattn_varlen": lambda: package.sageattn_varlen(*rows, starts, starts, 32, 32),
    }


def calls_a_second(call: Callable[[], Any]) -> float:
    """The rate of the fastest chunk of calls, which other programs disturbed least."""
    for _ in range(_WARM_UP):
        call()
    fastest = float("inf")
    for _ in range(CHUNKS):
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        fastest = min(fastest, time.perf_counter() - begin)
    return CALLS / fastest


def measure_here(tree: Path, folder: Path) -> dict[str, float]:
    """Case -> calls a second, of a tree's package. Takes this process over: see stand_in."""
    sys.path.insert(0, str(tree / "python"))
    package = stand_in.package(folder)
    assert Path(package.__file__).is_relative_to(tree), f"{package.__file__} is not of {tree}"
    return {name: calls_a_second(call) for name, call in cases(package).items()}


def _in_process(tree: Path, folder: Path) -> dict[str, float]:
    """The same in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(_CHECKOUT / "python"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "bench.host", "--built", str(folder), str(tree)]
    result = subprocess.run(
        command, env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(result.stdout)
    return found


def measure(trees: list[Path], sms: list[str], rounds: int, folder: Path) -> dict[str, list[float]]:
    """ "TREE, SM, case" -> calls a second in each round; in a round every tree is measured once on every SM."""
    found: dict[str, list[float]] = {}
    for index, tree in enumerate(trees):
        for sm in sms:
            place = folder / f"{index}-{sm}"
            place.mkdir()
            stand_in.build(tree, sm, place)
    for _ in range(rounds):
        for sm in sms:
            for index, tree in enumerate(trees):
                for case, figure in _in_process(tree, folder / f"{index}-{sm}").items():
                    found.setdefault(f"{tree}, SM {sm}, {case}", []).append(figure)
    return found


def table(found: dict[str, list[float]]) -> str:
    """A line for each: calls a second (median), microseconds a call, and the spread of the rounds in percent."""
    lines = [f"{'calls/s':>8} {'us/call':>8} {'spread':>7}"]
    for name, figures in sorted(found.items(), key=lambda item: item[0].split(", ", 1)[1]):
        median = statistics.median(figures)
        spread = 100 * (max(figures) - min(figures)) / median
        lines.append(f"{median:8.0f} {1e6 / median:8.1f} {spread:6.1f}% {name}")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.host", description=__doc__)
    add = parser.add_argument
    add("trees", nargs="*", type=Path, metavar="TREE", help="source trees (default: this one)")
    add("--sm", nargs="+", default=list(SMS), metavar="SM", help=f"default: {' '.join(SMS)}")
    add("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    add("--built", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    trees = [path.resolve() for path in options.trees] or [_CHECKOUT]
    if options.built:
        print(json.dumps(measure_here(trees[0], options.built)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(table(measure(trees, options.sm, options.rounds, Path(folder))))


if __name__ == "__main__":
    main()
