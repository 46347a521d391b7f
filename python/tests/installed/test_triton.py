"""Runs test_triton_kernels.py in a process of its own, where Triton interprets its kernels on the CPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

_NO_TESTS = 5  # pytest's exit status when all that it collected was skipped


def test_import_does_without_triton() -> None:
    code = "import sys, sageattention; print('triton' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "False"


def test_interpreted_kernels() -> None:
    for module in ("triton", "numpy"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install {module}")
    tests = Path(__file__).with_name("test_triton_kernels.py")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    print(result.stdout, result.stderr)
    if result.returncode == _NO_TESTS:
        pytest.skip(next(x for x in result.stdout.splitlines() if x.startswith("SKIPPED")))
    assert result.returncode == 0, result.stdout[-4000:]
