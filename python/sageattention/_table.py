"""Measured tables: which kernel, or torch's own attention, was the fastest for which calls on a GPU.

A call takes the cell of the smallest measured call that is at least as large in every respect; beyond the largest
length or number of heads that was measured, it counts as that large. Quantising pays for itself in long calls, so
what torch wins it wins for all smaller calls too.

Query heads that share a key head form a group, and the larger the group, the fewer keys there are to quantise: what we
win with small groups, we win with larger ones. So of the cells of one size a call takes that of the largest group that
is no larger than its own, and plain heads serve a group that was never measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ._call import Call, mask_strides
from ._shapes import dims

FORMAT = 3

# Masks, whose speeds differ: boolean and the same for all queries, other boolean ones, numbers that are added.
NO_MASK, PADDING, PAIRS, BIAS = MASKS = ("", "padding", "pairs", "bias")


class Shape(NamedTuple):
    """What the speed of a call depends on.

    heads: those of the query in all sequences of the batch together; group: so many of them share a key head.
    """

    head_dim: int
    causal: bool
    mask: str
    varlen: bool
    rows: int
    keys: int
    heads: int
    group: int = 1

    @classmethod
    def of(cls, call: Call) -> Shape:
        """The shape of a call; of sequences behind each other, the largest lengths count."""
        query, key = dims(call.query, call.nhd), dims(call.key, call.nhd)
        batch, rows, keys = query.batch, query.rows, key.rows
        if call.lengths is not None:
            batch, rows, keys = call.lengths[0].batch, call.lengths[0].rows, call.lengths[1].rows
        kind = query.head_dim, bool(call.causal), _mask(call), call.lengths is not None
        return cls(*kind, rows, keys, batch * query.heads, query.heads // key.heads)

    @property
    def kind(self) -> tuple[int, bool, str, bool]:
        """What only cells of the same kind can tell of: all but the sizes and the group."""
        return self.head_dim, self.causal, self.mask, self.varlen

    @property
    def extent(self) -> tuple[int, int, int]:
        return self.rows, self.keys, self.heads

    @property
    def size(self) -> int:
        return self.rows * self.keys * self.heads

    @property
    def variant(self) -> str:
        """ "causal, key padding" or the like."""
        mask = {NO_MASK: "", PADDING: "key padding", PAIRS: "mask of pairs", BIAS: "bias"}[self.mask]
        group = f"groups of {self.group}" if self.group > 1 else ""
        words = ("sequences behind each other", self.varlen), ("causal", self.causal), (mask, mask), (group, group)
        return ", ".join(word for word, holds in words if holds) or "plain"

    def text(self) -> str:
        return f"{self.rows} queries, {self.keys} keys, {self.heads} heads of {self.head_dim}, {self.variant}"


def _mask(call: Call) -> str:
    if call.mask is None:
        return NO_MASK
    if call.mask.dtype != torch.bool:
        return BIAS
    return PADDING if mask_strides(call.mask)[2] == 0 else PAIRS


class Cell(NamedTuple):
    """A measured call: the fastest of our kernels (a kind, or "triton"), whether torch is faster still, all times.

    The times are microseconds; those of kernels that compute wrongly are not among them.
    """

    shape: Shape
    kernel: str
    torch: bool
    times: dict[str, float]


class Machine(NamedTuple):
    """Where a table was measured. wheel names the version and build of the kernels."""

    gpu: str
    driver: str
    torch: str
    cudnn: str
    wheel: str


class Table(NamedTuple):
    """The cells of one GPU."""

    machine: Machine
    cells: tuple[Cell, ...]

    def find(self, shape: Shape) -> Cell | None:
        """The cell for a call, or None if nothing like it was measured."""
        alike = [
            cell
            for cell in self.cells
            if cell.shape.kind[1:] == shape.kind[1:]
            and cell.shape.head_dim >= shape.head_dim
            and cell.shape.group <= shape.group
        ]
        head_dim = min((cell.shape.head_dim for cell in alike), default=0)
        alike = [cell for cell in alike if cell.shape.head_dim == head_dim]
        if not alike:
            return None
        measured = zip(*(cell.shape.extent for cell in alike))
        rows, keys, heads = (min(size, max(sizes)) for size, sizes in zip(shape.extent, measured))
        larger = [
            cell
            for cell in alike
            if cell.shape.rows >= rows and cell.shape.keys >= keys and cell.shape.heads >= heads
        ]
        return min(larger, key=lambda cell: (cell.shape.size, -cell.shape.group), default=None)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        cells = [
            {**cell.shape._asdict(), "kernel": cell.kernel, "torch": cell.torch, "times": cell.times}
            for cell in self.cells
        ]
        return {"format": FORMAT, "machine": self.machine._asdict(), "cells": cells}

    @classmethod
    def from_json(cls, data: Any) -> Table:
        """The table of to_json(). Raises ValueError for anything else."""
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"it has format {data['format']!r}, this package reads {FORMAT}")
            machine = Machine(*(_of(str, data["machine"][name]) for name in Machine._fields))
            return cls(machine, tuple(map(_cell, data["cells"])))
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"it is no table: {type(error).__name__}: {error}") from error


def _cell(data: Any) -> Cell:
    types = {"causal": bool, "varlen": bool, "mask": str}
    values: list[Any] = [_of(types.get(name, int), data[name]) for name in Shape._fields]
    shape = Shape(*values)
    if shape.mask not in MASKS:
        raise ValueError(f"it has a cell of unknown mask: {shape}")
    if min(shape.head_dim, *shape.extent, shape.group) < 1:
        raise ValueError(f"it has a cell of no size: {shape}")
    times = {_of(str, name): float(_of((int, float), time)) for name, time in data["times"].items()}
    return Cell(shape, _of(str, data["kernel"]), _of(bool, data["torch"]), times)


def _of(wanted: Any, value: Any) -> Any:
    """The value. Raises TypeError unless it has this type; True is no number."""
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TypeError(f"{value!r} is no {getattr(wanted, '__name__', 'number')}")
    return value
