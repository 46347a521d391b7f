"""Finds NVIDIA's compiler libraries and headers inside wheels on the current Python's path."""

from __future__ import annotations

import ctypes
import pathlib
import sys
from collections.abc import Sequence

from .errors import BuildError

# A library in its wheel, and what lies beside NVRTC. Windows has another NVRTC there, NAME64_120_0.alt.dll.
_NAMES = {
    "linux": ("lib/lib{}.so.[0-9]*", "lib{}-builtins.so.*"),
    "win32": ("bin/**/{}*_[0-9].dll", "{}-builtins*.dll"),
}


def find(patterns: Sequence[str], what: str, install: str) -> pathlib.Path:
    """First path that matches one of the glob patterns below an entry of sys.path, else BuildError."""
    found = find_all(patterns)
    if not found:
        raise BuildError(f"{what} not found on the Python path", f"pip install {install}")
    return found[0]


def find_all(patterns: Sequence[str]) -> list[pathlib.Path]:
    """All matches, in the order of sys.path, then of the patterns."""
    found: list[pathlib.Path] = []
    for entry in sys.path:
        for pattern in patterns:
            found += sorted(pathlib.Path(entry or ".").glob(pattern))
    return found


def load_library(name: str, folder: str, install: str) -> ctypes.CDLL:
    """Loads libNAME.so.12 or NAME64_120_0.dll of nvidia/{folder or cu13} and returns the ctypes library."""
    main, builtins = _NAMES["win32" if sys.platform == "win32" else "linux"]
    patterns = [f"nvidia/{place}/{main.format(name)}" for place in (folder, "cu13")]
    path = find(patterns, f"lib{name}", install)
    # From 13.0 on, NVRTC does not look beside itself for its second library; a loaded one is found by its name.
    for companion in sorted(path.parent.glob(builtins.format(name))):
        ctypes.CDLL(str(companion))
    return ctypes.CDLL(str(path))


def include_directories() -> list[pathlib.Path]:
    """Folders with CUDA's own headers; empty if no wheel brings them."""
    return find_all(
        ["nvidia/cuda_runtime/include", "nvidia/cuda_nvcc/include", "nvidia/cu13/include"]
    )
