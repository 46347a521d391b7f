"""Where a run happens: GPU, driver, versions, commit, command line."""

from __future__ import annotations

import datetime
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .methods.base import Method, cudnn_version, distribution_version
from .nvml import Gpu
from .record import Environment

ROOT = Path(__file__).resolve().parents[2]


def why_no_gpu() -> str:
    """Why nothing can be measured here, with what helps; "" if something can."""
    try:
        import torch
    except ImportError as error:
        return f"torch cannot be imported: {error}; pip install torch"
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; pip install a torch with CUDA"
    if not torch.cuda.is_available():
        return "torch finds no usable NVIDIA GPU; nvidia-smi must list one"
    return ""


def gpu() -> tuple[Gpu | None, str]:
    """The current device in NVML, or None and why its clock and power cannot be read."""
    import torch

    index = torch.cuda.current_device()
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", "")
    try:
        return Gpu(str(uuid) if uuid else "", index), ""
    except OSError as error:
        return None, f"clock and power are not read: {error}"


def commit(root: Path = ROOT) -> str:
    """The commit of these sources: of the checkout, or as the file commit beside them says."""
    try:
        return (root / "commit").read_text(encoding="utf-8").strip()
    except OSError:
        pass
    try:
        head = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--", "csrc", "python")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + (", with changes" if changes else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def driver(found: Gpu | None) -> str:
    """The driver's version, by NVML or by what Linux tells."""
    version = found.driver() if found else ""
    if version:
        return version
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    match = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return match[1] if match else "unknown"


def collect(
    methods: Sequence[Method], found: Gpu | None, notes: Sequence[str], argv: Sequence[str]
) -> Environment:
    """methods: those that are here."""
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda),
        "cudnn": cudnn_version(),
        "triton": distribution_version("triton"),
    }
    versions.update({method.name: method.version() for method in methods if method.version()})
    now = datetime.datetime.now(datetime.timezone.utc)
    return Environment(
        device=properties.name,
        sm=f"{properties.major}.{properties.minor}",
        driver=driver(found),
        versions=versions,
        commit=commit(),
        command=shlex.join(["python", "-m", "bench.attention", *argv]),
        date=now.strftime("%Y-%m-%d %H:%M UTC"),
        notes=list(notes),
    )
