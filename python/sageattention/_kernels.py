"""The contents of the loaded fatbin, from the C library: kinds on a device, images for an SM."""

from __future__ import annotations

import ctypes
import functools

from . import _abi, _library
from ._kinds import Kind

Sm = tuple[int, int]


def has(device: int, kind: Kind, head_dim: int) -> bool:
    """Whether a device has a kind for a head dim. Raises RuntimeError without a driver."""
    found = ctypes.c_int32()
    status = _library.library().sageattn_has(kind.number, head_dim, device, ctypes.byref(found))
    if status == _abi.INVALID_ARGUMENT:  # no such head dim
        return False
    _library.check(status)
    return bool(found.value)


def image(sm: Sm, kind: Kind, head_dim: int) -> _abi.ImageInfo | None:
    """The image of a kind that a GPU of an SM, here or not, would load, or None."""
    found = _abi.ImageInfo()
    number = sm[0] * 10 + sm[1]
    status = _library.library().sageattn_image(kind.number, head_dim, number, ctypes.byref(found))
    if status == _abi.INVALID_ARGUMENT:  # no such head dim
        return None
    _library.check(status)
    return found if found.way != _abi.NO_WAY else None


@functools.cache
def images() -> list[_abi.ImageInfo]:
    """Every image in the fatbin."""
    function, count = _library.library().sageattn_images, ctypes.c_int64()
    _library.check(function(None, 0, ctypes.byref(count)))
    found = (_abi.ImageInfo * count.value)()
    _library.check(function(found, count, ctypes.byref(count)))
    return list(found)


def sms() -> tuple[list[Sm], list[Sm]]:
    """The SMs of the machine code and those of the PTX, from old to new; 9.0a counts as 9.0."""
    cubins = {found.sm for found in images() if not found.ptx}
    ptx = {found.sm for found in images() if found.ptx}
    return sorted(cubins), sorted(ptx)


def images_text() -> str:
    """The SMs in the wheel, for messages: "7.0 7.5 … and PTX for 12.1"."""
    cubins, ptx = (" ".join(map(sm_text, found)) for found in sms())
    return (cubins or "none") + (f" and PTX for {ptx}" if ptx else "")


def sm_text(sm: Sm) -> str:
    """ "9.0" of (9, 0)."""
    return f"{sm[0]}.{sm[1]}"
