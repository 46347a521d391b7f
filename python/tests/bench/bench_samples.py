"""Figures with made-up times, for arithmetic and layout alone."""

from __future__ import annotations

from bench.record import Figure


def figure(
    method: str, part: str, milliseconds: float, case: str = "hd128-s8192", **more: object
) -> Figure:
    """A figure of a made-up time, for arithmetic and layout alone."""
    fields: dict[str, object] = {
        "mode": "sustained", "low": milliseconds, "high": milliseconds * 1.02, "samples": 10, "tflops": 8.0 / milliseconds,
    }  # fmt: skip
    return Figure(case, method, part, milliseconds=milliseconds, **{**fields, **more})  # type: ignore[arg-type]
