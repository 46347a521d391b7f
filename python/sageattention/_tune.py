"""Measures which kernel, or torch's own attention, is the fastest for which calls: `python -m sageattention tune`.

Calls go through the operators, and what counts is the GPU's time for all launches of a call: the host's time is alike
for all ways. Before, every kernel is checked by probe, and torch's attention against the same references: what computes
wrongly is never chosen. Nothing here knows a GPU: see _tune_gpu.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ._dispatch import TORCH, TRITON
from ._table import BIAS, NO_MASK, PADDING, PAIRS, Cell, Shape

HEAD_DIMS = (128, 64, 256)
HEADS = (64, 16)  # of all sequences together: enough for the largest GPUs, and a single image
SQUARES = (4096, 2048, 1024, 512, 256)
SEQUENCES = (2048, 1024, 512, 256)
MASKED = (2048, 1024, 512)
TEXT, MORE_TEXT = (4096, 112), (4096, 512)  # cross attention to a prompt
FEW = (64, 4096)
SECONDS = 45.0
MARGIN = 0.98  # what takes the place of another must need at most this part of its time
_HOPELESS = 1.5  # a kernel that needs as many times the best one's time for long calls is not tried on shorter ones


def shapes() -> Iterator[Shape]:
    """What is measured, the most frequent calls first, long before short."""
    for head_dim in HEAD_DIMS:
        for causal, mask, varlen, squares, others in (
            (False, NO_MASK, False, SQUARES, (TEXT, MORE_TEXT, FEW)),
            (True, NO_MASK, False, SQUARES, ()),
            (False, PADDING, False, SQUARES, (TEXT, FEW)),
            (False, NO_MASK, True, SEQUENCES, ()),
            (True, NO_MASK, True, SEQUENCES, ()),
            (False, PAIRS, False, MASKED, ()),
            (False, BIAS, False, MASKED, ()),
        ):
            for rows, keys in (*((rows, rows) for rows in squares), *others):
                for heads in HEADS:
                    yield Shape(head_dim, causal, mask, varlen, rows, keys, heads)


class Result(NamedTuple):
    """The cells, and one line for everything that was left out or failed."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]


class Source(NamedTuple):
    """How a GPU answers: the names of what can compute a shape, ours or beginning with "torch"; the dispatcher's own
    choice among them; microseconds of a call, with RuntimeError for what fails."""

    methods: Callable[[Shape], list[str]]
    default: Callable[[Shape], str]
    microseconds: Callable[[str, Shape], float]


def measure(
    wanted: Iterable[Shape],
    source: Source,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Measures shape by shape until the time is over."""
    begin, cells, notes, left_out = clock(), list[Cell](), list[str](), 0
    hopeless: dict[tuple[int, str], set[str]] = {}
    methods_gone = set[str]()
    for shape in wanted:
        if clock() - begin > seconds:
            left_out += 1
            continue
        group = shape.head_dim, shape.variant
        if group not in hopeless:
            say(f"head dim {shape.head_dim}, {shape.variant}")
        gone = hopeless.setdefault(group, set())
        names = [name for name in source.methods(shape) if name not in gone | methods_gone]
        times = _times(shape, names, source, notes)
        gone |= _hopeless(times)
        methods_gone |= {TRITON} & gone  # each of its shapes is compiled first, which takes seconds
        cell = judge(shape, times, source.default(shape))
        if cell:
            cells.append(cell)
    if left_out:
        notes.append(f"{left_out} calls were not measured: {seconds:.0f} seconds were over")
    return Result(tuple(cells), tuple(dict.fromkeys(notes)))


def _times(shape: Shape, names: list[str], source: Source, notes: list[str]) -> dict[str, float]:
    found = {}
    for name in names:
        try:
            found[name] = source.microseconds(name, shape)
        except (RuntimeError, NotImplementedError) as error:
            text = " ".join(str(error).split())[:120]
            notes.append(f"{name} (head dim {shape.head_dim}, {shape.variant}): {text}")
    return found


def _is_ours(name: str) -> bool:
    return not name.startswith(TORCH)


def _hopeless(times: dict[str, float]) -> set[str]:
    """Those of ours, and those of torch's backends, that are far behind the best of their side."""
    found = set[str]()
    for side in (True, False):
        ours = {name: time for name, time in times.items() if _is_ours(name) == side}
        found |= {name for name, time in ours.items() if time > _HOPELESS * min(ours.values())}
    return found - {TORCH}


def judge(shape: Shape, times: dict[str, float], default: str) -> Cell | None:
    """The cell of these times, or None if none of our kernels has one."""
    ours = {name: time for name, time in times.items() if _is_ours(name)}
    if not ours:
        return None
    kernel = min(ours, key=lambda name: ours[name])
    if default in ours and ours[kernel] > MARGIN * ours[default]:
        kernel = default
    loses = TORCH in times and times[TORCH] < MARGIN * ours[kernel]
    return Cell(shape, kernel, loses, {name: round(time, 2) for name, time in times.items()})
