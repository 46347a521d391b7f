"""Which kernels the loaded fatbin has, asked by device or by SM.

A kernel of a kind is attention_KIND_hdHEAD_DIM. The kind "fp8_wgmma" is the path for SM 9.0 alone.
"""

from __future__ import annotations

import ctypes
import functools
import re

from . import _abi, _library, _wgmma

KINDS = ("fp16", "fp16_masked", "fp16_accum_f16", "fp8", "fp8_accum_f16", "fp8_wgmma")
_NAME = re.compile(r"attention_(\w+)_hd\d+$")
_SOMEWHERE = 16


def _params(kind: str, head_dim: int, varlen: bool) -> _abi.AttentionParams:
    """A call that needs this kind, with pointers that are never followed."""
    fp8 = kind.startswith("fp8")
    fields: dict[str, object] = (
        {"query_starts": _SOMEWHERE, "key_starts": _SOMEWHERE} if varlen else {}
    )
    if kind == "fp16_masked":
        fields["mask"] = _abi.Tensor(_SOMEWHERE, 0, 0, 0)
        fields["mask_dtype"] = _abi.BOOL
    if fp8:
        fields["value_scale"] = _SOMEWHERE
    return _abi.AttentionParams(
        size=ctypes.sizeof(_abi.AttentionParams),
        batch=1,
        query_heads=1,
        key_heads=1,
        query_rows=64,
        key_rows=64,
        total_query_rows=64,
        total_key_rows=64,
        head_dim=head_dim,
        sm_scale=1.0,
        granularity=_abi.PER_THREAD,
        accumulation=int(kind.endswith("accum_f16")),
        value_dtype=_abi.FLOAT8_E4M3 if fp8 else _abi.FLOAT16,
        **fields,
    )


@functools.cache
def name(device: int, kind: str, head_dim: int, varlen: bool = False) -> str:
    """The kernel that a call of this kind takes on a device, perhaps of another kind; "" if it has none.

    Raises RuntimeError without a driver.
    """
    if kind == "fp8_wgmma":
        return f"attention_fp8_wgmma_hd{64 if head_dim <= 64 else 128}" if _wgmma.fits(device, head_dim) else ""
    found = ctypes.c_char_p()
    params = _params(kind, head_dim, varlen)
    function = _library.library().sageattn_attention_kernel
    status = function(ctypes.byref(params), device, ctypes.byref(found))
    if status in (_abi.INVALID_ARGUMENT, _abi.NO_IMAGE):
        return ""
    _library.check(status)
    return (found.value or b"").decode()


def has(device: int, kind: str, head_dim: int, varlen: bool = False) -> bool:
    """Whether a device has exactly this kind for a head dim."""
    found = name(device, kind, head_dim, varlen)
    if kind == "fp8_wgmma":
        return bool(found)
    match = _NAME.match(found)
    return bool(match) and match[1] == kind  # type: ignore[index]


@functools.cache
def images(operation: str | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """SMs whose cubins, and whose PTX, the fatbin has of an operation (None: of any), like "9.0"."""
    text = ctypes.create_string_buffer(4096)
    encoded = None if operation is None else operation.encode()
    _library.check(_library.library().sageattn_images(encoded, text, len(text)))
    cubins, _, ptx = text.value.decode().partition("PTX")
    return tuple(cubins.split()), tuple(ptx.replace("PTX", " ").split())


def sms() -> tuple[list[str], list[str]]:
    """SMs that the fatbin has any cubin, and any PTX, for: 9.0a is 9.0 here."""
    plain = ([".".join(map(str, parse_sm(text))) for text in found] for found in images())
    cubins, ptx = (list(dict.fromkeys(found)) for found in plain)
    return cubins, ptx


def images_text() -> str:
    """The SMs in the wheel, for messages: "7.0 7.5 … and PTX for 12.1"."""
    cubins, ptx = sms()
    return " ".join(cubins or ("none",)) + (f" and PTX for {' '.join(ptx)}" if ptx else "")


def operation(kind: str) -> str:
    """The operation, as kernels.toml's sources are named, that makes the kernels of a kind."""
    return f"attention_{kind}"


def runs_on(kind: str, sm: tuple[int, int]) -> bool:
    """Whether a GPU of this SM can take an image of a kind: its own major's, or older PTX."""
    cubins, ptx = images(operation(kind))
    if any(_fits(cubin, sm) for cubin in cubins):
        return True
    return any(parse_sm(text) <= sm for text in ptx)


def _fits(cubin: str, sm: tuple[int, int]) -> bool:
    major, minor = parse_sm(cubin)
    if cubin.endswith("a"):
        return (major, minor) == sm
    return major == sm[0] and minor <= sm[1]


def parse_sm(text: str) -> tuple[int, int]:
    """(9, 0) from "9.0"; a letter, as in 9.0a, does not count."""
    major, _, minor = text.rstrip("abcdefghijklmnopqrstuvwxyz").partition(".")
    return int(major), int(minor or 0)
