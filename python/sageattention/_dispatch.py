"""Decides which kernel a call takes, and says why. describe() prints the same decisions.

A method is what a public function asks for: "auto" (sageattn), "fp16" and "fp16_accum_f16" (float16 values,
summed in float32, or in float16 within a key tile), "fp8" and "fp8_accum_f16" (E4M3 values), "triton". Where a GPU
lacks what was asked for, a more precise kernel serves. "only:" and a kind (see _kernels) is that kernel or an
error, for tests and measurements.
"""

from __future__ import annotations

import functools
from typing import Callable, NamedTuple

from . import _kernels, _library, _wgmma, _triton

METHODS = ("auto", "fp16", "fp16_accum_f16", "fp8", "fp8_accum_f16", "triton")
TRITON = "triton"
ONLY = "only:"

_EXACT = "float16 values are summed in float32 at full rate here"
_HALF_RATE = (
    "sums in float32 run at half rate on this GPU: float16 within a key tile, float32 between tiles"
)
_FP8 = "E4M3 values, twice the rate of float16"
_FP8_TILES = "E4M3 values summed in float16 within a key tile: the fastest here"
_WGMMA = "wgmma with INT8 keys and E4M3 values: the fastest on SM 9.0"
_SLOWER = "float16 values summed in float32: the wheel has no faster kernel for this"
_PRECISE = "more precise than asked for; the wheel has no other kernel for this"

# What sageattn prefers: SM major, or (major, minor) -> kinds, best first.
_AUTO: dict[object, tuple[tuple[str, str], ...]] = {
    (7, 0): (("fp16", _EXACT),),
    (7, 5): (("fp16_accum_f16", _HALF_RATE),),
    (8, 6): (("fp16_accum_f16", _HALF_RATE),),
    (8, 9): (("fp8_accum_f16", _FP8_TILES), ("fp8", _FP8)),
    (9, 0): (("fp8_wgmma", _WGMMA),),
    12: (("fp8_accum_f16", _FP8_TILES), ("fp8", _FP8)),
}


def known(method: str) -> bool:
    """Whether this is a method."""
    kind = method[len(ONLY) :] if method.startswith(ONLY) else None
    return method in METHODS if kind is None else kind in _kernels.KINDS


class Request(NamedTuple):
    """All that the choice of a kernel depends on, besides the GPU."""

    method: str = "auto"
    head_dim: int = 128
    bfloat16: bool = False
    masked: bool = False
    varlen: bool = False


class Choice(NamedTuple):
    """A kind of kernel (see _kernels), or "triton"; and why it was taken."""

    kind: str
    reason: str


def decide(
    request: Request, sm: tuple[int, int], has: Callable[[str], bool], no_triton: str
) -> Choice:
    """The kernel for a request on a GPU that has these kinds. no_triton: why Triton cannot serve, or "".

    Raises RuntimeError, naming the SMs in the wheel, if nothing runs there.
    """
    if request.method.startswith(ONLY):
        kind = request.method[len(ONLY) :]
        if has(kind):
            return Choice(kind, "asked for")
        raise RuntimeError(f"no {_kernels.operation(kind)} kernel for SM {sm[0]}.{sm[1]} here")
    if request.method == TRITON and not no_triton:
        return Choice(TRITON, "asked for")
    for kind, reason in _preferences(request, sm):
        if has(kind):
            if request.method == TRITON:
                reason = f"{no_triton}: the CUDA kernel serves"
            return Choice(kind, reason)
    if not no_triton:
        what = "a mask" if request.masked and has("fp16") else f"SM {sm[0]}.{sm[1]}"
        return Choice(TRITON, f"the wheel has no kernel for {what} here")
    raise RuntimeError(
        f"no kernel for this call on SM {sm[0]}.{sm[1]}: this wheel has SMs {_kernels.images_text()}, "
        f"and {no_triton}; install the wheel whose SMs include this GPU"
    )


def _preferences(request: Request, sm: tuple[int, int]) -> list[tuple[str, str]]:
    """Kinds that can serve a request, best first. The last is the most precise."""
    if request.masked:
        return [("fp16_masked", "attn_mask: float16 values summed in float32, whatever was asked for")]
    method = request.method
    if method == "auto":
        faster = list(_AUTO.get(sm, _AUTO.get(sm[0], ())))
        kinds = [*faster, ("fp16", _SLOWER if faster else _EXACT)]
    elif method in ("fp16", TRITON):
        kinds = [("fp16", "float32 sums, as asked for")]
    elif method == "fp16_accum_f16":
        kinds = [("fp16_accum_f16", "as asked for"), ("fp16", _PRECISE)]
    else:
        kinds = _fp8_preferences(method, sm)
    if request.varlen:
        kinds = [pair for pair in kinds if pair[0] in ("fp16", "fp16_accum_f16")]
    return kinds


def _fp8_preferences(method: str, sm: tuple[int, int]) -> list[tuple[str, str]]:
    if sm == (9, 0):  # mma.sync emulates E4M3 there
        return [("fp8_wgmma", _WGMMA), ("fp16", _PRECISE)]
    kinds = [("fp8", "E4M3 values, float32 sums, as asked for"), ("fp16", _PRECISE)]
    return [("fp8_accum_f16", "as asked for"), *kinds] if method == "fp8_accum_f16" else kinds


@functools.lru_cache(maxsize=4096)
def choose(device: int, request: Request) -> Choice:
    """The kernel that a request takes on a device. Raises RuntimeError when none can run there."""
    sm = _kernels.parse_sm(_library.device(device).sm)

    def has(kind: str) -> bool:
        return _kernels.has(device, kind, request.head_dim, request.varlen)

    return decide(request, sm, has, _triton.why_not(sm, request))


def choose_for_sm(sm: tuple[int, int], request: Request) -> Choice:
    """The same for a GPU that is not here, from the list of images in the wheel."""

    def has(kind: str) -> bool:
        if kind == "fp8_wgmma" and request.head_dim > _wgmma.MAX_HEAD_DIM:
            return False
        return _kernels.runs_on(kind, sm)

    return decide(request, sm, has, _triton.why_not(sm, request))
