"""The accuracy report of a GPU run, in Markdown."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import NamedTuple

from support.accuracy import Accuracy
from support.cases import Case


class Measurement(NamedTuple):
    """How one call did: output against float64 attention, mean absolute error of the LSE, kernel, its bound."""

    case: Case
    layout: str
    accuracy: Accuracy
    lse_error: float
    kernel: str = "sageattn"
    relative_l1: float = 0.02


def render(measured: list[Measurement], environment: dict[str, str]) -> str:
    """A table with the worst result of every (kernel, head dim, dtype, mask, lengths) over the rest."""
    bad = [m for m in measured if not m.accuracy.good(m.relative_l1)]
    lines = ["# Accuracy on a GPU", ""]
    lines += [f"- {name}: {value}" for name, value in environment.items()]
    lines += [
        "",
        f"{len(measured)} calls against float64 attention, {len(bad)} outside of cosine > 0.999"
        + " and of their kernel's relative L1. Worst over batch sizes, heads and layouts:",
        "",
        "| kernel | head dim | dtype | mask | query x key rows | calls | cosine | relative L1 | LSE mean error |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, ...], list[Measurement]] = defaultdict(list)
    for measurement in measured:
        groups[_group(measurement)].append(measurement)
    lines += [_row(key, groups[key]) for key in groups]
    return "\n".join(lines) + "\n"


def _group(measurement: Measurement) -> tuple[str, ...]:
    case = measurement.case
    mask = "causal" if case.is_causal else "full"
    dtype = str(case.dtype).replace("torch.", "")
    return measurement.kernel, str(case.head_dim), dtype, mask, f"{case.rows} x {case.keys}"


def _row(key: tuple[str, ...], group: list[Measurement]) -> str:
    cosine = _worst([m.accuracy.cosine for m in group])
    error = -_worst([-m.accuracy.relative_l1 for m in group])
    lse = -_worst([-m.lse_error for m in group])
    numbers = (str(len(group)), f"{cosine:.6f}", f"{error:.5f}", f"{lse:.6f}")
    return "| " + " | ".join((*key, *numbers)) + " |"


def _worst(values: list[float]) -> float:
    """The smallest, or NaN where there is one: min() by itself may lose it behind a good number."""
    return min(values, key=lambda value: (not math.isnan(value), value))
