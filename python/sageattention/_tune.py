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

HEAD_DIMS, WIDE = (128, 64), (256,)
HEADS = (64, 16)  # of all sequences together: enough for the largest GPUs, and a single image
SQUARES = (4096, 2048, 1024, 512, 256)
TEXT, MORE_TEXT = (4096, 112), (4096, 512)  # cross attention to a prompt
FEW = (64, 4096)
# Causal, form of the mask, sequences behind each other; rows of as many queries as keys; other queries and keys.
Calls = tuple[tuple[bool, str, bool, tuple[int, ...], tuple[tuple[int, int], ...]], ...]
PLAIN_HEADS: Calls = (
    (False, NO_MASK, False, SQUARES, (TEXT, MORE_TEXT, FEW)),
    (True, NO_MASK, False, SQUARES, ()),
    (False, PADDING, False, SQUARES, (TEXT, FEW)),
    (False, NO_MASK, True, SQUARES[1:], ()),
    (True, NO_MASK, True, SQUARES[1:], ()),
    (False, PAIRS, False, SQUARES[1:4], ()),
    (False, BIAS, False, SQUARES[1:4], ()),
)
# Query heads that share a key head, as in language models, whose calls are mostly causal. What is not here is ours with
# plain heads already, or so short that torch is far ahead.
GROUP = 4
GROUPS: Calls = (
    (True, NO_MASK, False, SQUARES[1:4], ()),
    (True, NO_MASK, True, SQUARES[1:4], ()),
    (False, NO_MASK, False, SQUARES[1:4], (FEW,)),
    (False, PADDING, False, (), (FEW,)),
)
SECONDS = 42.0  # with the checks before, under a minute on an H100
MARGIN = 0.98  # what takes the place of another must need at most this part of its time
_HOPELESS = 1.5  # a kernel that needs as many times the best one's time for long calls is not tried on shorter ones


def shapes() -> Iterator[Shape]:
    """What is measured, the most frequent calls first, long before short.

    The last have cells to take if no time is left for them: groups those of plain heads, few heads those of many.
    """
    yield from _each(HEAD_DIMS, PLAIN_HEADS, HEADS)
    yield from _each(WIDE, PLAIN_HEADS, HEADS[:1])
    yield from _each(HEAD_DIMS, GROUPS, HEADS, GROUP)
    yield from _each(WIDE, PLAIN_HEADS, HEADS[1:])


def _each(
    head_dims: tuple[int, ...], calls: Calls, each_heads: tuple[int, ...], group: int = 1
) -> Iterator[Shape]:
    for head_dim in head_dims:
        for causal, mask, varlen, squares, others in calls:
            for rows, keys in (*((rows, rows) for rows in squares), *others):
                for heads in each_heads:
                    yield Shape(head_dim, causal, mask, varlen, rows, keys, heads, group)


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
    behind, told = _FarBehind(), set[str]()
    for shape in wanted:
        if clock() - begin > seconds:
            left_out += 1
            continue
        line = f"head dim {shape.head_dim}, {shape.variant}"
        if line not in told:
            told.add(line)
            say(line)
        names = [name for name in source.methods(shape) if not behind.has(name, shape)]
        times = _times(shape, names, source, notes)
        behind.add(shape, times)
        cell = judge(shape, times, source.default(shape))
        if cell:
            cells.append(cell)
    if left_out:
        notes.append(f"{left_out} calls were not measured: {seconds:.0f} seconds were over")
    return Result(tuple(cells), tuple(dict.fromkeys(notes)))


class _FarBehind:
    """What is not tried on a call, because it was far behind on one of the same kind that is as large."""

    def __init__(self) -> None:
        self._largest: dict[tuple[object, ...], int] = {}
        self._triton = False  # each of its shapes is compiled first, which takes seconds: it has one chance

    def has(self, name: str, shape: Shape) -> bool:
        if name == TRITON:
            return self._triton
        return shape.size <= self._largest.get((name, *shape.kind), 0)

    def add(self, shape: Shape, times: dict[str, float]) -> None:
        for name in _hopeless(times):
            place = name, *shape.kind
            self._largest[place] = max(shape.size, self._largest.get(place, 0))
            self._triton |= name == TRITON


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
