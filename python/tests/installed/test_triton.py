"""Runs test_triton_kernels.py in a process of its own, where Triton interprets its kernels on the CPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sageattention import _triton
from sageattention._dispatch import Request

_NO_TESTS = 5  # pytest's exit status when all that it collected was skipped


def test_import_does_without_triton() -> None:
    code = "import sys, sageattention; print('triton' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "False"


def test_a_folder_or_a_stub_named_triton_is_no_triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "a_stub", ModuleType("a_stub"))
    assert not _triton._there("a_folder") and not _triton._there("a_stub") and not _triton._there("nothing")
    assert _triton._there("json") and _triton._there("sageattention.triton")


def test_interpreted_kernels() -> None:
    for module in ("triton", "numpy"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install {module}")
    if _triton.why_not((9, 0), Request()):
        pytest.skip(_triton.why_not((9, 0), Request()))
    tests = Path(__file__).with_name("test_triton_kernels.py")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    print(result.stdout, result.stderr)
    if result.returncode == _NO_TESTS:
        pytest.skip(next(x for x in result.stdout.splitlines() if x.startswith("SKIPPED")))
    assert result.returncode == 0, result.stdout[-4000:]


def test_what_a_triton_cannot_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_triton, "installed", lambda: True)
    monkeypatch.setattr(_triton, "_there", lambda module: True)

    def why(version: str, sm: tuple[int, int], **request: bool) -> str:
        monkeypatch.setattr(_triton, "version", lambda: version)
        return _triton.why_not(sm, Request("triton", **request))

    assert why("3.1.0", (8, 0)) == "Triton 3.1.0 is older than 3.2"
    assert why("3.2.0", (12, 0)) == "Triton 3.2.0 does not serve SM 12.0"
    assert why("3.3.0", (7, 5)) == "Triton 3.3.0 takes float16 from SM 8.0 on"
    assert why("3.9.0", (7, 5)) == "Triton 3.9.0 takes float16 from SM 8.0 on"
    assert why("3.2.0", (7, 5), bfloat16=True) == "Triton 3.2.0 takes bfloat16 from SM 8.0 on"
    assert why("3.3.0", (12, 0)) == "Triton 3.3.0 does not serve SM 12.0"
    assert why("3.3.1", (12, 1)) == "Triton 3.3.1 does not serve SM 12.1"
    assert why("3.10.0+git1234", (7, 0))
    for version, sm in (("3.2.0", (7, 5)), ("3.3.1", (12, 0)), ("3.9.0", (8, 0)), ("3.10", (9, 0))):
        assert why(version, sm) == ""
    monkeypatch.setattr(_triton, "_there", lambda module: False)
    assert "pip install setuptools" in why("3.2.0", (8, 0)) and why("3.3.0", (8, 0)) == ""
    assert "mask" in why("3.4.0", (9, 0), varlen=True, mask="bool")
    monkeypatch.setattr(_triton, "installed", lambda: False)
    assert why("", (9, 0)) == "Triton is not installed"
