"""Loads the C library and turns its status codes into exceptions.

The first call opens the library; importing this package does not. The library opens the CUDA driver
only when a caller asks for a device, so the import needs neither a driver nor a GPU.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from . import _abi

_HINTS = {
    _abi.NO_DRIVER: "install the NVIDIA driver; `nvidia-smi` must list the GPU",
    _abi.NO_IMAGE: "install the wheel whose SMs include this GPU, "
    "or set SAGEATTN_FATBIN to a fatbin that has its kernels",
    _abi.CUDA_ERROR: "if an earlier kernel failed, `compute-sanitizer python ...` names it",
}



class _Place(NamedTuple):
    """Where a package keeps its library and kernels, and the variable that names other kernels."""

    folder: Path
    fatbin: str
    variable: str


_place = _Place(Path(__file__).parent / "lib", "sageattn.fatbin", "SAGEATTN_FATBIN")
_lock = threading.Lock()
_loaded: ctypes.CDLL | None = None


class Device(NamedTuple):
    """A GPU as the driver describes it. sm is (9, 0) for SM 9.0; usable: the fatbin holds kernels for it."""

    name: str
    sm: tuple[int, int]
    usable: bool


def use(folder: Path, fatbin: str, variable: str) -> None:
    """For a package that has a copy of this one inside: where its library and kernels are. Call it before any other."""
    global _place
    _place = _Place(folder, fatbin, variable)


def library_path() -> Path:
    """Where this package keeps its shared library.

    A wheel has that of its platform in lib/. A copy for several platforms (sagebuild export) has
    them in lib/x86_64-linux and the like.
    """
    name = "sageattn.dll" if sys.platform == "win32" else "libsageattn.so"
    shared = _place.folder / _platform()
    return (shared if shared.is_dir() else _place.folder) / name


def _platform() -> str:
    """ "x86_64-linux", "aarch64-linux" or "x86_64-windows", or what this machine says instead."""
    machine, system = platform.machine(), platform.system().lower()
    return f"{'x86_64' if machine == 'AMD64' else machine}-{system}"


def fatbin_path() -> Path:
    """The kernels to load: SAGEATTN_FATBIN if set, otherwise those of the installed package."""
    override = os.environ.get(_place.variable)
    return Path(override) if override else _place.folder / _place.fatbin


def library() -> ctypes.CDLL:
    """The loaded library.

    Raises RuntimeError when the shared library or its fatbin is missing or does not fit this package.
    """
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _open()
    return _loaded


def _open() -> ctypes.CDLL:
    path = library_path()
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise RuntimeError(
            f"sageattention cannot open {path}: {error}; "
            "reinstall the wheel: pip install --force-reinstall --no-deps WHEEL"
        ) from error
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    version = lib.sageattn_abi_version()
    if version != _abi.ABI_VERSION:
        raise RuntimeError(
            f"{path} has C interface {version}, this package needs {_abi.ABI_VERSION}; "
            "reinstall the wheel: pip install --force-reinstall --no-deps WHEEL"
        )
    _check(lib, lib.sageattn_load(_path_bytes(fatbin_path())))
    return lib


def _path_bytes(path: Path) -> bytes:
    """A path as the library takes it: UTF-8 on Windows, whatever this Python encodes paths by."""
    if sys.platform == "win32":
        return str(path).encode("utf-8", "surrogatepass")
    return os.fsencode(path)


def check(status: int) -> None:
    """Raises the exception for a status: ValueError for bad arguments, RuntimeError for the rest.

    The text is the library's own, followed by what to do next.
    """
    if status != _abi.OK:
        _check(library(), status)


def _check(lib: ctypes.CDLL, status: int) -> None:
    if status == _abi.OK:
        return
    text = (lib.sageattn_last_error() or b"").decode("utf-8", "replace")
    text = text or f"{library_path().name} returned status {status}"
    if status == _abi.INVALID_ARGUMENT:
        raise ValueError(text)
    hint = _HINTS.get(status)
    raise RuntimeError(f"{text}; {hint}" if hint else text)


def device_count() -> int:
    """GPUs that the driver shows. Raises RuntimeError without a driver."""
    count = ctypes.c_int32()
    check(library().sageattn_device_count(ctypes.byref(count)))
    return count.value


def device(index: int) -> Device:
    """One GPU. Raises ValueError for an unknown index, RuntimeError without a driver."""
    info = _abi.DeviceInfo(size=ctypes.sizeof(_abi.DeviceInfo))
    check(library().sageattn_device(index, ctypes.byref(info)))
    name = info.name.decode("utf-8", "replace")
    return Device(name, (info.sm_major, info.sm_minor), bool(info.usable))
