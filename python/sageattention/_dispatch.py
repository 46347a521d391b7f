"""Decides which kernel a call takes, and says why. describe() prints the same decisions.

A method is what a public function asks for: "auto" (sageattn), "quantised" (the same, but see _choice), "fp16"
(float16 values, sums in float32), "fp16_accum_f16" (float16 values, sums in float16 within a key tile), "fp8" and
"fp8_accum_f16" (the same with E4M3 values), "fp8_scaled" (E4M3 values, sums in float32, by the product with scales of
SM 12.x), "triton". Where a GPU lacks the kernel of a method, a
more precise kernel serves. "only:" before a kind (see _kinds) takes that kind or raises an error;
tests and measurements use it.
"""

from __future__ import annotations

import functools
import os
from typing import Callable, NamedTuple

from . import _kernels, _library, _triton
from ._call import Request
from ._kernels import Sm, sm_text
from ._kinds import KINDS, Kind

AUTO, QUANTISED, TRITON, ONLY = "auto", "quantised", "triton", "only:"
METHODS = (AUTO, QUANTISED, "fp16", "fp16_accum_f16", "fp8", "fp8_accum_f16", "fp8_scaled", TRITON)
TORCH = "torch"  # stands beside the kinds in the tables of _choice

_EXACT = "float16 values are summed in float32 at full rate here"
_HALF_RATE = (
    "sums in float32 run at half rate on this GPU: float16 within a key tile, float32 between tiles"
)
_FP8 = "E4M3 values, twice the rate of float16"
_FP8_ACCUM_F16 = "E4M3 values summed in float16 within a key tile: the fastest here"
_FP8_SCALED = (
    "as asked for: E4M3 values, float32 sums by the product with scales; proven by emulation, not yet run on SM 12.x"
)
_WGMMA = "wgmma with INT8 keys and E4M3 values: the fastest on SM 9.0"
_SLOWER = "float16 values summed in float32: the wheel has no faster kernel for this"
_PRECISE = "more precise than asked for; the wheel has no other kernel for this"
_MASKED = "attn_mask: float16 values summed in float32, whatever was asked for"

Preferences = tuple[tuple[str, str], ...]  # kinds and reasons, best first

# The preferences of sageattn: SM major, or (major, minor) -> kinds, best first.
_AUTO: dict[object, Preferences] = {
    (7, 0): (("fp16", _EXACT),),
    (7, 5): (("fp16_accum_f16", _HALF_RATE),),
    (8, 6): (("fp16_accum_f16", _HALF_RATE),),
    (8, 9): (("fp8_accum_f16", _FP8_ACCUM_F16), ("fp8", _FP8)),
    (9, 0): (("fp8_wgmma", _WGMMA),),
    12: (("fp8_accum_f16", _FP8_ACCUM_F16), ("fp8", _FP8)),
}

# The preferences of the other methods.
_ASKED: dict[str, Preferences] = {
    "fp16": (("fp16", "float32 sums, as asked for"),),
    TRITON: (("fp16", "float32 sums, as asked for"),),
    "fp16_accum_f16": (("fp16_accum_f16", "as asked for"), ("fp16", _PRECISE)),
    "fp8": (("fp8", "E4M3 values, float32 sums, as asked for"), ("fp16", _PRECISE)),
    "fp8_accum_f16": (
        ("fp8_accum_f16", "as asked for"),
        ("fp8", "E4M3 values, float32 sums, as asked for"),
        ("fp16", _PRECISE),
    ),
    "fp8_scaled": (
        ("fp8_scaled", _FP8_SCALED),
        ("fp8", "E4M3 values, float32 sums, as asked for"),
        ("fp16", _PRECISE),
    ),
}
_FP8_ON_SM90: Preferences = (("fp8_wgmma", _WGMMA), ("fp16", _PRECISE))  # mma emulates E4M3


# (mask_form of the mask, whether sequences lie behind each other) -> the kind that takes such calls and no others.
_WGMMA_KINDS = {
    ("", False): "fp8_wgmma",
    ("bool", False): "fp8_wgmma_masked",
    ("float", False): "fp8_wgmma_biased",
    ("", True): "fp8_wgmma_varlen",
}


def takes(kind: Kind, mask: str, varlen: bool) -> bool:
    """Whether a kind computes calls with such a mask (see mask_form), or with sequences behind each other."""
    if kind.launcher == "wgmma":
        return _WGMMA_KINDS.get((mask, varlen)) == kind.name
    fits = kind.name == _masked(mask) if mask else not kind.mask
    return fits and (kind.starts or not varlen)


def _masked(mask: str) -> str:
    """The kind that every GPU has for calls with a mask."""
    return "fp16_masked" if mask == "bool" else "fp16_biased"


def known(method: str) -> bool:
    """Whether this is a method."""
    kind = method[len(ONLY) :] if method.startswith(ONLY) else None
    return method in METHODS if kind is None else kind in KINDS or kind == TORCH


class Choice(NamedTuple):
    """A kind of kernel (see _kinds) or "triton", and the reason for it."""

    kind: str
    reason: str


def decide(request: Request, sm: Sm, has: Callable[[str], bool], no_triton: str) -> Choice:
    """The kernel for a request on a GPU that has these kinds. no_triton: why Triton cannot serve, or "".

    Raises RuntimeError, naming the SMs in the wheel, if no kernel runs on that GPU.
    """
    if request.method.startswith(ONLY):
        kind = request.method[len(ONLY) :]
        if not takes(KINDS[kind], request.mask, request.varlen):
            raise RuntimeError(f"{KINDS[kind].operation} does not take such a call")
        if has(kind):
            return Choice(kind, "asked for")
        raise RuntimeError(f"no {KINDS[kind].operation} kernel for SM {sm_text(sm)} here")
    if request.method == TRITON and not no_triton:
        return Choice(TRITON, "asked for")
    for kind, reason in _preferences(request, sm):
        if has(kind):
            if request.method == TRITON:
                reason = f"{no_triton}: the CUDA kernel serves"
            return Choice(kind, reason)
    if not no_triton:
        what = "a mask" if request.mask and has("fp16") else f"SM {sm_text(sm)}"
        return Choice(TRITON, f"the wheel has no kernel for {what} here")
    raise RuntimeError(
        f"no kernel for this call on SM {sm_text(sm)}: this wheel has SMs {_kernels.images_text()}, "
        f"and {no_triton}; install the wheel whose SMs include this GPU"
    )


def _preferences(request: Request, sm: Sm) -> Preferences:
    """Kinds that can serve a request, best first. The last is the most precise."""
    faster = _faster_on_sm90(request) if sm == (9, 0) else ()
    if request.mask:
        return (*faster, (_masked(request.mask), _MASKED))
    kinds = _unmasked(request.method, sm)
    if request.varlen:
        return (*faster, *(pair for pair in kinds if takes(KINDS[pair[0]], "", varlen=True)))
    return kinds


def _faster_on_sm90(request: Request) -> Preferences:
    """The wgmma kernel for a mask or for sequences of different lengths; none takes both."""
    kind = _WGMMA_KINDS.get((request.mask, request.varlen))
    if kind is None or request.method in ("fp16", "fp16_accum_f16", TRITON):
        return ()
    return ((kind, _WGMMA),)


def _scaled() -> bool:
    """SAGEATTN_FP8_SCALED: wherever E4M3 values are summed, the product with scales does it, if the GPU has it."""
    return os.environ.get("SAGEATTN_FP8_SCALED", "0") not in ("", "0")


def _unmasked(method: str, sm: Sm) -> Preferences:
    if sm[0] == 12 and method in (AUTO, QUANTISED, "fp8", "fp8_accum_f16") and _scaled():
        return _ASKED["fp8_scaled"]
    if method in (AUTO, QUANTISED):
        faster = _AUTO.get(sm, _AUTO.get(sm[0], ()))
        return (*faster, ("fp16", _SLOWER if faster else _EXACT))
    return _FP8_ON_SM90 if sm == (9, 0) and method.startswith("fp8") else _ASKED[method]


@functools.lru_cache(maxsize=4096)
def choose(device: int, request: Request) -> Choice:
    """The kernel for a request on a device. Raises RuntimeError when the device can run none."""
    sm = _library.device(device).sm

    def has(kind: str) -> bool:
        return _kernels.has(device, KINDS[kind], request.head_dim)

    return decide(request, sm, has, _triton.why_not(sm, request))


def choose_for_sm(sm: Sm, request: Request) -> Choice:
    """The kernel for a request on any GPU, here or not, from the images in the wheel."""

    def has(kind: str) -> bool:
        return _kernels.image(sm, KINDS[kind], request.head_dim) is not None

    return decide(request, sm, has, _triton.why_not(sm, request))


class Operands(NamedTuple):
    """Everything but the GPU that decides the kernel for quantised operands. mask: "", "bool" or "float"."""

    head_dim: int
    e4m3: bool = False
    bfloat16: bool = False
    mask: str = ""
    sums_float16: bool = False


@functools.lru_cache(maxsize=4096)
def kind_for(device: int, operands: Operands) -> str:
    """The kind for operands as they are.

    It sums in float16 if the operands ask for that and the device has such a kind, else in float32.

    Raises RuntimeError if the device has none.
    """
    allowed = ("float16", "float32") if operands.sums_float16 else ("float32",)
    wanted = [kind for sums in allowed for kind in KINDS.values() if kind.sums == sums]
    for kind in wanted:
        fits = kind.e4m3 == operands.e4m3 and takes(kind, operands.mask, varlen=False)
        if not fits or kind.launcher != "attention":
            continue
        if kind.sums == "float16" and operands.bfloat16:
            continue
        if _kernels.has(device, kind, operands.head_dim):
            return kind.name
    values = "E4M3" if operands.e4m3 else "16-bit"
    raise RuntimeError(
        f"no kernel for {values} values{' and a mask' if operands.mask else ''} on SM "
        f"{sm_text(_library.device(device).sm)}: this wheel has SMs {_kernels.images_text()}"
    )
