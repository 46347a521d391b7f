"""Decides what serves a call, FP4, the INT8 kernels or torch, and says why. describe() prints the same decisions."""

from __future__ import annotations

import functools
import os
from typing import Callable, NamedTuple

from ._core import _dispatch, _kernels, _library
from ._core._call import Request
from ._core._kernels import Sm, sm_text
from ._core._kinds import KINDS

FP4, INT8, TORCH = "fp4", "int8", "torch"
FP4_HEAD_DIM = 128
STRICT = "SAGEATTN3_STRICT"

_NO_FP4 = "the tensor cores of SM {} take FP4 by tcgen05 alone, for which there is no kernel"
_INSTEAD = "use the package sageattention there: sageattention.sageattn(q, k, v)"


class Need(NamedTuple):
    """Everything but the GPU that decides. mask: "", "keys" (the same for all rows) or "rows"."""

    backend: str = "auto"
    head_dim: int = 128
    bfloat16: bool = False
    mask: str = ""
    lse: bool = False


class Route(NamedTuple):
    """What serves, and why; warn: the caller asked for FP4 and should know that something else serves."""

    by: str
    reason: str
    warn: bool = False


def decide(need: Need, sm: Sm, has_fp4: bool, has_int8: bool) -> Route:
    """The route of a call on a GPU that has these kernels. Raises RuntimeError if the wheel is not for the GPU."""
    if need.backend != "auto":
        return _asked(need, sm, has_fp4, has_int8)
    if sm[0] in (10, 11):
        return _without_fp4(need, sm, has_int8)
    if sm[0] != 12:
        raise RuntimeError(f"SageAttention3 is for Blackwell GPUs, this one has SM {sm_text(sm)}; {_INSTEAD}")
    if not fp4_fits(need):
        what = "head dim above 128" if need.head_dim > FP4_HEAD_DIM else "mask that differs from row to row"
        by, name = (INT8, "the INT8 kernels serve") if has_int8 else (TORCH, "torch serves")
        return Route(by, f"FP4 takes no {what}: {name}")
    if not has_fp4:
        raise RuntimeError(
            f"this wheel has no FP4 code for SM {sm_text(sm)}, only for {_kernels.images_text()}; "
            "install the wheel whose SMs include this GPU: 12.1 needs one built with CUDA 12.9 or newer"
        )
    return Route(FP4, "FP4 with its own tensor instruction")


def fp4_fits(need: Need) -> bool:
    """Whether a kernel in FP4 takes such a call."""
    return need.head_dim <= FP4_HEAD_DIM and need.mask != "rows"


def _without_fp4(need: Need, sm: Sm, has_int8: bool) -> Route:
    """SM 10.0, 10.3 and 11.0."""
    reason = _NO_FP4.format(sm_text(sm))
    if os.environ.get(STRICT, "") not in ("", "0"):
        raise RuntimeError(f"{reason}; {STRICT} is set, so that nothing else serves")
    if has_int8 and (need.mask or need.lse):
        return Route(INT8, f"{reason}: the INT8 kernels serve masks and LSE", warn=True)
    return Route(TORCH, f"{reason}: torch's attention serves, which is faster here than INT8", warn=True)


def _asked(need: Need, sm: Sm, has_fp4: bool, has_int8: bool) -> Route:
    if need.backend == FP4 and not (has_fp4 and fp4_fits(need)):
        raise RuntimeError(
            f"backend 'fp4' cannot serve head dim {need.head_dim}{' and a mask of rows' * (need.mask == 'rows')} "
            f"on SM {sm_text(sm)}; FP4 takes head dims to {FP4_HEAD_DIM} and masks of keys, on SM 12.0 and 12.1"
        )
    if need.backend == INT8 and not has_int8:
        has = _kernels.images_text()
        raise RuntimeError(f"backend 'int8' has no kernel for SM {sm_text(sm)}: this wheel has {has}")
    return Route(need.backend, "asked for")


def request(need: Need) -> Request:
    """What the INT8 kernels are asked for: the most precise of them."""
    return Request("fp16", need.head_dim, need.bfloat16, "other" if need.mask else "")


def _has_int8(need: Need, choose: Callable[[Request], _dispatch.Choice]) -> bool:
    try:
        return choose(request(need)).kind != _dispatch.TRITON
    except (RuntimeError, ValueError):
        return False


@functools.lru_cache(maxsize=4096)
def choose(device: int, need: Need) -> Route:
    """The route of a call on a device. Raises RuntimeError if the device can run none."""
    has_fp4 = need.head_dim <= FP4_HEAD_DIM and _kernels.has(device, KINDS[FP4], need.head_dim)
    has_int8 = _has_int8(need, functools.partial(_dispatch.choose, device))
    return decide(need, _library.device(device).sm, has_fp4, has_int8)


def choose_for_sm(sm: Sm, need: Need) -> Route:
    """The route on any GPU, here or not, from the images in the wheel."""
    has_fp4 = need.head_dim <= FP4_HEAD_DIM and _kernels.image(sm, KINDS[FP4], need.head_dim) is not None
    return decide(need, sm, has_fp4, _has_int8(need, functools.partial(_dispatch.choose_for_sm, sm)))
