"""describe(), python -m sageattn3 and --check without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys

import sageattn3
from sageattn3 import _describe


def run(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "sageattn3", *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert not result.stderr, result.stderr
    return result.returncode, result.stdout


def test_says_how_it_is_proven() -> None:
    status, text = run()
    assert status == 0
    assert "numerics proven by emulation, not yet run on SM 12.x" in text.splitlines()[0]
    assert "sageattn3_blackwell: " in text


def test_json() -> None:
    found = json.loads(run("--json")[1])
    assert found["sageattn3"] == sageattn3.__version__ and found["proof"] == _describe.PROOF
    assert set(found["blackwell"]) == {"10.0", "10.3", "11.0", "12.0", "12.1"} or found["gpus"]


def test_check_without_a_gpu() -> None:
    status, text = run("--check")
    lines = text.splitlines()
    assert status == 3 and lines[:2] == ["self-test of FP4", f"sageattn3 {_named()}"] and "no GPU: " in text


def _named() -> str:
    """As reports name the version: with the build tag, where the wheel has one."""
    found = _describe.package()
    assert found["sageattn3"] == sageattn3.__version__
    return f"{found['sageattn3']}, build {found['build']}" if found["build"] else found["sageattn3"]


def test_other_packages_stay_out() -> None:
    code = "import sys, sageattn3; print('sageattention' in sys.modules, sageattn3._core.__name__)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["False", "sageattn3._core"]
