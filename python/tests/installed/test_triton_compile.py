"""The Triton kernels compile for GPUs that are not here, fit their shared memory and hardly spill registers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sageattention import _triton
from sageattention._dispatch import Request

PROGRAM = Path(__file__).parents[1] / "support" / "ahead_of_time.py"
KERNELS = {
    "attention_kernel",
    "mean_kernel",
    "quantize_kernel",
    "quantize_per_thread_kernel",
}
ALL, SHORT = ("64", "80 varlen", "256", "per thread"), ("64",)
CASES = {75: SHORT, 80: ALL, 86: SHORT, 89: SHORT, 90: ALL, 100: SHORT, 120: SHORT}
STACK = 32  # bytes that a thread may spill: a few registers. What a Triton cannot fit takes kilobytes.
# Shared memory that one block may take, in KB: CUDA C++ Programming Guide, "Technical Specifications per
# Compute Capability".
SHARED = {75: 64, 80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}


@pytest.mark.parametrize("sm", [*SHARED])
def test_kernels_compile(sm: int, tmp_path: Path) -> None:
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed: pip install triton")
    reason = _triton.why_not(divmod(sm, 10), Request())
    if reason:
        pytest.skip(reason)
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, str(PROGRAM), str(sm), str(tmp_path), *CASES[sm]]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-4000:]
    rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert {row["case"] for row in rows} == {*CASES[sm]}
    assert {row["kernel"] for row in rows} == KERNELS or CASES[sm] == SHORT
    # Of queries and of keys, each by the package and as other projects launch it.
    assert sum(row["case"] == "per thread" for row in rows) == 4 or CASES[sm] == SHORT
    assert [row for row in rows if row["stack"] > STACK] == []
    assert [row for row in rows if row["shared"] > SHARED[sm] * 1024] == []
