"""What the installed wheel says about itself: its version, its build and the torch it asks for."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

DISTRIBUTION = __name__.rpartition(".")[0]  # a copy under another name is no part of the wheel


def version(distribution: str = DISTRIBUTION) -> str:
    """The installed version, that of the wheel which `sagebuild export` took, or "0+source" in a source tree."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        exported = Path(__file__).with_name("VERSION")
        return exported.read_text("utf-8").strip() if exported.is_file() else "0+source"


def _requirements() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def require_torch() -> None:
    """Without torch raises ImportError and says what to install. Other failures pass."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        wanted = next((r for r in _requirements() if r.startswith("torch")), "torch")
        raise ImportError(
            f"sageattention needs PyTorch: pip install '{wanted}'", name="torch"
        ) from error


def build_tag(distribution: str = DISTRIBUTION) -> str:
    """The build tag of the installed wheel, such as "280.129", or ""."""
    try:
        text = metadata.distribution(distribution).read_text("WHEEL") or ""
    except metadata.PackageNotFoundError:
        return ""
    match = re.search(r"^Build: (.*)$", text, re.MULTILINE)
    return match[1] if match else ""
