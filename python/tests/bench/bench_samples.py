"""Figures with made-up times, for arithmetic and layout alone."""

from __future__ import annotations

from bench.record import Accuracy, Environment, Figure, Gap, Results


def figure(
    method: str, part: str, milliseconds: float, case: str = "hd128-s8192", **more: object
) -> Figure:
    """A figure of a made-up time, for arithmetic and layout alone."""
    fields: dict[str, object] = {
        "mode": "sustained", "low": milliseconds, "high": milliseconds * 1.02,
        "samples": 10, "tflops": 8.0 / milliseconds,
    }  # fmt: skip
    return Figure(case, method, part, milliseconds=milliseconds, **{**fields, **more})  # type: ignore[arg-type]


def results() -> Results:
    """A run of two methods beside two peers."""
    about = Environment(
        "GPU", "9.0", "1.2", {"torch": "2.8.0"}, "abc", "python -m bench.attention", "now"
    )
    return Results(
        about,
        {"hd128-s8192": "batch 2, heads 32, bfloat16"},
        ["torch-cudnn", "cudnn-fp8"],
        [
            figure("sageattn", "kernel", 4.0, clock_mhz=1600.0, watts=699.6),
            figure("sageattn", "whole", 5.0),
            figure("torch-cudnn", "whole", 8.0),
            figure("cudnn-fp8", "kernel", 4.4),
        ],
        [Accuracy("hd128-s8192", "sageattn", "randn+1", 0.0351, 0.99941, -0.0012, "float64")],
        [
            Gap("", "comfy-int8", "not installed"),
            Gap("hd128-s8192", "fp16", "it broke", failed=True),
        ],
    )
