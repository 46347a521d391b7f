"""Asks the CUDA driver which GPUs are there, through ctypes: torch and nvidia-smi need not be."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_SYSTEM32 = 0x800  # LOAD_LIBRARY_SEARCH_SYSTEM32, where drivers lie; has no effect elsewhere
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, …_MINOR
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


class Device(NamedTuple):
    """A GPU: its name and its SM such as "8.9"."""

    name: str
    sm: str


class Found(NamedTuple):
    """The GPUs of this machine; without any, reason says why. cuda is the newest that the driver knows, or ""."""

    devices: tuple[Device, ...] = ()
    cuda: str = ""
    reason: str = ""


class _DriverError(Exception):
    pass


def detect() -> Found:
    """What the driver says, within CUDA_VISIBLE_DEVICES. Never raises: no driver is an answer too."""
    try:
        driver = ctypes.CDLL(_DRIVER, winmode=_SYSTEM32)
    except OSError:
        return Found(reason=f"there is no NVIDIA driver ({_DRIVER} cannot be loaded)")
    try:
        return _ask(driver)
    except (_DriverError, AttributeError) as error:
        return Found(reason=f"the NVIDIA driver failed: {error}")


def _ask(driver: Any) -> Found:
    result = driver.cuInit(0)
    if result == _NO_DEVICE:
        return Found(reason="the NVIDIA driver sees no GPU")
    _check(driver, result, "cuInit")
    version = _number(driver, "cuDriverGetVersion")
    devices = tuple(_device(driver, i) for i in range(_number(driver, "cuDeviceGetCount")))
    reason = "" if devices else "the NVIDIA driver sees no GPU"
    return Found(devices, f"{version // 1000}.{version % 1000 // 10}", reason)


def _device(driver: Any, ordinal: int) -> Device:
    handle = _number(driver, "cuDeviceGet", ordinal)
    name = ctypes.create_string_buffer(256)
    _check(driver, driver.cuDeviceGetName(name, len(name), handle), "cuDeviceGetName")
    major, minor = (_number(driver, "cuDeviceGetAttribute", a, handle) for a in (_MAJOR, _MINOR))
    return Device(name.value.decode(errors="replace"), f"{major}.{minor}")


def _number(driver: Any, function: str, *arguments: int) -> int:
    """Calls a function whose first parameter is where it puts an int."""
    value = ctypes.c_int()
    _check(driver, getattr(driver, function)(ctypes.byref(value), *arguments), function)
    return value.value


def _check(driver: Any, result: int, what: str) -> None:
    if result:
        name = ctypes.c_char_p()
        driver.cuGetErrorName(result, ctypes.byref(name))
        text = name.value.decode() if name.value else f"error {result}"
        raise _DriverError(f"{what}: {text}")
