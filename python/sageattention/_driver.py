"""The version of the NVIDIA driver, for reports; calls to the driver are the C library's."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

_WINDOWS = sys.platform == "win32"
_MANAGEMENT = "nvml.dll" if _WINDOWS else "libnvidia-ml.so.1"
_SYSTEM32 = 0x800  # LOAD_LIBRARY_SEARCH_SYSTEM32: drivers lie there. Only Windows reads it.
_KERNEL_MODULE = Path("/proc/driver/nvidia/version")


def version() -> str | None:
    """The driver's version, such as "580.65.06", or None where neither its kernel module nor NVML tells."""
    return _from_kernel_module() or _from_management_library()


def _from_kernel_module() -> str | None:
    try:
        text = _KERNEL_MODULE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return match[1] if match else None


def _from_management_library() -> str | None:
    """The version that NVML tells, for Windows and WSL, which lack the kernel module's file."""
    try:
        nvml = ctypes.CDLL(_MANAGEMENT, winmode=_SYSTEM32)
        if nvml.nvmlInit_v2() != 0:
            return None
    except (OSError, AttributeError):
        return None
    text = ctypes.create_string_buffer(96)
    found = nvml.nvmlSystemGetDriverVersion(text, len(text)) == 0
    nvml.nvmlShutdown()
    return text.value.decode("ascii", "replace") if found else None
