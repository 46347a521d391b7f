"""The benchmark's tests need no GPU; those that need torch skip without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench_samples import figure

from bench.record import Accuracy, Environment, Gap, Results


@pytest.fixture
def results() -> Results:
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
