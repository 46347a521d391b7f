"""The GPU part: accuracy and behaviour of the kernels that the installed wheel loads on this GPU."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import report


@pytest.fixture(scope="session", autouse=True)
def _installed(installed_package: None) -> None:
    """Every test of this folder is about the installed wheel."""


@pytest.fixture(scope="session")
def accuracies(request: pytest.FixtureRequest) -> Iterator[list[report.Measurement]]:
    """Where tests put what they measured; --gpu-results writes it at the end."""
    measured: list[report.Measurement] = []
    yield measured
    path = request.config.getoption("--gpu-results")
    if path and measured:
        text = report.render(measured, _environment())
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")


def _environment() -> dict[str, str]:
    import torch

    import sageattention
    from sageattention import _library
    from sageattention._kernels import sm_text

    device = _library.device(torch.cuda.current_device())
    return {
        "GPU": f"{device.name}, SM {sm_text(device.sm)}",
        "Driver": _driver_version(),
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda})",
        "Python": platform.python_version(),
        "sageattention": sageattention.__version__,
        "Kernels": f"{_library.fatbin_path().name}, {_library.fatbin_path().stat().st_size} bytes",
    }


def _driver_version() -> str:
    if not shutil.which("nvidia-smi"):
        return "unknown"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return result.stdout.split("\n")[0].strip() or "unknown"
