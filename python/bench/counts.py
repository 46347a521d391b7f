"""How much a case computes, and what times make of that. Pure arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .cases import Case


def visible_pairs(query_rows: int, key_rows: int, causal: str = "") -> int:
    """Pairs of a query and a key that it sees. causal: "", "top_left" or "bottom_right" (see sageattention)."""
    if not causal:
        return query_rows * key_rows
    if causal == "top_left":
        square = min(query_rows, key_rows)
        return square * (square + 1) // 2 + (query_rows - square) * key_rows
    if causal != "bottom_right":
        raise ValueError(f"unknown causal alignment {causal}")
    unseen = key_rows - query_rows
    if unseen < 0:
        return key_rows * (key_rows + 1) // 2
    return query_rows * (query_rows + 1) // 2 + query_rows * unseen


def counted_pairs(query_rows: int, key_rows: int, causal: bool) -> float:
    """Pairs as TFLOP/s count them: causal halves where the lengths are equal, as everybody publishes; else exact."""
    if causal and query_rows == key_rows:
        return query_rows * key_rows / 2
    return visible_pairs(query_rows, key_rows, "top_left" if causal else "")


def flops(case: Case) -> float:
    """Floating-point operations: two products of two operations a pair and column. The softmax is not counted."""
    pairs = sum(counted_pairs(query, key, case.causal) for query, key in case.sequences())
    return 4.0 * case.heads * case.head_dim * pairs


@dataclass(frozen=True)
class Spread:
    """Samples in milliseconds a call: their median, lowest, highest and number."""

    median: float
    low: float
    high: float
    count: int

    @property
    def percent(self) -> float:
        """Highest minus lowest, in percent of the median."""
        return 100.0 * (self.high - self.low) / self.median


def spread(samples: Sequence[float]) -> Spread:
    """Raises ValueError without samples, or if one is not a positive time."""
    if not samples or min(samples) <= 0:
        raise ValueError("a measurement gave no time")
    return Spread(statistics.median(samples), min(samples), max(samples), len(samples))


def tflops(operations: float, milliseconds: float) -> float:
    """10^12 operations a second."""
    return operations / milliseconds / 1e9


def chunks(total: int, most: int) -> list[int]:
    """total calls in at most so many parts that differ by 1 at most: one sample each."""
    parts = max(1, min(total, most))
    return [total // parts + (index < total % parts) for index in range(parts)]


def repeats(seconds: float, milliseconds: float, least: int) -> int:
    """How many calls of so many milliseconds fill a time."""
    return max(least, int(seconds * 1000 / max(milliseconds, 1e-6)))
