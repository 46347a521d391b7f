"""A table as text for a terminal and as a picture, SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable

from ._dispatch import TORCH
from ._table import Cell, Table

_SIZE, _GAP, _LEFT, _TOP = (350, 150), (60, 62), 50, 64
_LOWEST, _HIGHEST = 0.25, 4.0  # of the ratio to torch
_GROUPS = "groups of N: N query heads share a key head"
_OURS, _HANDED = "#1a6f3c", "#b3402e"


def ratio(cell: Cell) -> float | None:
    """How many times as fast as torch's attention our kernel is, or None where torch was not measured."""
    return cell.times[TORCH] / cell.times[cell.kernel] if TORCH in cell.times else None


def _groups(table: Table) -> dict[tuple[int, str], list[Cell]]:
    groups: dict[tuple[int, str], list[Cell]] = {}
    for cell in sorted(table.cells, key=lambda cell: cell.shape):
        groups.setdefault((cell.shape.head_dim, cell.shape.variant), []).append(cell)
    return groups


def text(table: Table) -> str:
    """A line for each measured call: what is taken, how it compares, all times in microseconds."""
    machine = table.machine
    lines = [
        f"{machine.gpu}, driver {machine.driver}, torch {machine.torch}, cuDNN {machine.cudnn}",
        "microseconds of the GPU for a call; × torch: how many times as fast as torch's attention",
        _GROUPS,
    ]
    for (head_dim, variant), cells in _groups(table).items():
        lines += ["", f"head dim {head_dim}, {variant}", _row("queries", "keys", "heads", "taken", "× torch", "")]
        lines += map(_line, cells)
    return "\n".join(lines)


def _line(cell: Cell) -> str:
    found = ratio(cell)
    taken = "torch" if cell.torch else cell.kernel
    times = ", ".join(f"{name} {time:.0f}" for name, time in sorted(cell.times.items(), key=lambda item: item[1]))
    shape = cell.shape
    return _row(shape.rows, shape.keys, shape.heads, taken, "" if found is None else f"{found:.2f}", times)


def _row(*cells: object) -> str:
    widths = (8, 8, 6, 18, 8)
    return ("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths)) + f"  {cells[-1]}").rstrip()


def svg(table: Table) -> str:
    """A panel for each head dim and variant: the ratio to torch by length, hollow where torch is taken."""
    groups = [*_groups(table).items()]
    columns = max(1, len({variant for (_, variant), _ in groups}))
    rows = math.ceil(len(groups) / columns)
    width = _LEFT + columns * (_SIZE[0] + _GAP[0])
    height = _TOP + rows * (_SIZE[1] + _GAP[1]) + 10
    machine = table.machine
    title = f"{machine.gpu}: times as fast as torch {machine.torch}'s attention (cuDNN {machine.cudnn})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 24, title, 16),
        _text(_LEFT, 44, f"by rows; a line for each number of heads; hollow: handed to torch; {_GROUPS}", 12),
    ]
    for index, ((head_dim, variant), cells) in enumerate(groups):
        x = _LEFT + index % columns * (_SIZE[0] + _GAP[0])
        y = _TOP + index // columns * (_SIZE[1] + _GAP[1])
        parts += _panel(x, y, f"head dim {head_dim}, {variant}", cells)
    return "\n".join([*parts, "</svg>", ""])


def _panel(x: float, y: float, title: str, cells: list[Cell]) -> list[str]:
    places = sorted({(cell.shape.rows, cell.shape.keys) for cell in cells})
    step = _SIZE[0] / max(len(places), 1)
    parts = [_text(x, y + 8, title, 12)]
    for level in (0.25, 0.5, 1.0, 2.0, 4.0):
        level_y = _y(y, level)
        colour = "#555" if level == 1 else "#ddd"
        parts.append(f'<line x1="{x}" x2="{x + _SIZE[0]}" y1="{level_y:.1f}" y2="{level_y:.1f}" stroke="{colour}"/>')
        parts.append(_text(x - 32, level_y + 4, f"{level:g}", 11))
    for index, (rows, keys) in enumerate(places):
        label = str(rows) if rows == keys else f"{rows}×{keys}"
        parts.append(_text(x + (index + 0.5) * step, y + _SIZE[1] + 16, label, 9, "middle"))
    for heads in sorted({cell.shape.heads for cell in cells}):
        series = [cell for cell in cells if cell.shape.heads == heads]
        parts += _series(x, y, step, places, series)
    return parts


def _series(
    x: float, y: float, step: float, places: list[tuple[int, int]], cells: Iterable[Cell]
) -> list[str]:
    points, marks = [], []
    for cell in cells:
        found = ratio(cell)
        if found is None:
            continue
        place = x + (places.index((cell.shape.rows, cell.shape.keys)) + 0.5) * step, _y(y, found)
        if cell.shape.rows == cell.shape.keys:
            points.append(f"{place[0]:.1f},{place[1]:.1f}")
        colour, fill = (_HANDED, "white") if cell.torch else (_OURS, _OURS)
        label = html.escape(f"{cell.shape.text()}: {found:.2f}")
        marks.append(
            f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4" stroke="{colour}" fill="{fill}">'
            f"<title>{label}</title></circle>"
        )
    line = f'<polyline points="{" ".join(points)}" fill="none" stroke="#999"/>'
    return [line, *marks]


def _y(top: float, value: float) -> float:
    """Where a ratio lies in its panel, by its logarithm."""
    inside = min(max(value, _LOWEST), _HIGHEST)
    part = math.log(inside / _LOWEST) / math.log(_HIGHEST / _LOWEST)
    return top + 16 + (1 - part) * (_SIZE[1] - 16)


def _text(x: float, y: float, words: str, size: int, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="#222">{html.escape(words)}</text>'
