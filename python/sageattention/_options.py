"""One form for options that have several: causal masks, scales, accumulators, masks, autocast."""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple

import torch

from . import _abi
from ._diagnosis import why_no_gpu
from ._errors import InputError
from ._shapes import DTYPES, MASK_DTYPES, NOT_CONTIGUOUS, check_length

_ALIGNMENTS = {
    "top_left": _abi.CAUSAL_TOP_LEFT,
    "bottom_right": _abi.CAUSAL_BOTTOM_RIGHT,
}

# function -> pv_accum_dtype -> method of the dispatcher
_METHODS = {
    "fp16": {"fp32": "fp16", "fp16+fp32": "fp16_accum_f16", "fp16": "fp16_accum_f16"},
    "fp8": {"fp32": "fp8", "fp32+fp32": "fp8", "fp32+fp16": "fp8_accum_f16", "scaled": "fp8_scaled"},
    "fp8_sm90": {"fp32+fp32": "fp8"},
}
_NO_BACKWARD = "sageattention has no backward pass: call it under torch.no_grad(), or detach {}"


class Options(NamedTuple):
    """causal is a sageattn_causal. sm_scale None stands for head_dim ** -0.5. always: no call goes to torch."""

    causal: int
    sm_scale: float | None
    always: bool = False

    @classmethod
    def of(cls, kwargs: dict[str, Any], is_causal: bool, sm_scale: float | None) -> Options:
        """Reads scale, causal_alignment, dropout_p and always_quantize from the keywords and ignores others.

        Raises ValueError for an unknown causal_alignment.
        """
        if not kwargs:
            return cls(_abi.CAUSAL_TOP_LEFT if is_causal else _abi.NOT_CAUSAL, sm_scale)
        alignment = kwargs.get("causal_alignment", "top_left")
        if alignment not in _ALIGNMENTS:
            raise ValueError(f"Unknown causal_alignment: {alignment}; use one of {[*_ALIGNMENTS]}")
        if kwargs.get("dropout_p"):
            _warn("dropout_p is ignored: sageattention is for inference")
        causal = _ALIGNMENTS[alignment] if is_causal else _abi.NOT_CAUSAL
        scale = kwargs.get("scale") if sm_scale is None else sm_scale
        return cls(causal, scale, bool(kwargs.get("always_quantize")))

    @property
    def auto(self) -> str:
        """The method of the functions that take the best kernel."""
        return "quantised" if self.always else "auto"

    def scale(self, query: torch.Tensor) -> float:
        """The factor of the scores; head_dim ** -0.5 by default."""
        return default_scale(query.shape[-1]) if self.sm_scale is None else float(self.sm_scale)


def default_scale(head_dim: int) -> float:
    """The factor of the scores where a call names none. 1 for a head dim of 0, which a later check refuses."""
    factor: float = (head_dim or 1) ** -0.5
    return factor


def method_of(function: str, pv_accum_dtype: str) -> str:
    """The method of the dispatcher for an accumulator. Raises ValueError for an unknown one."""
    if function == "fp8_sm90" and pv_accum_dtype == "fp32":
        raise NotImplementedError("Please use pv_accum_dtype='fp32+fp32' for sm90.")
    methods = _METHODS[function]
    if pv_accum_dtype not in methods:
        raise ValueError(f"Unsupported pv_accum_dtype: {pv_accum_dtype}; use one of {[*methods]}")
    return methods[pv_accum_dtype]


def warn_unused_smoothing(smooth_v: bool, pv_accum_dtype: str, needed: str) -> None:
    """Gives 2.2's warning for smooth_v with an accumulator that ignores smooth_v."""
    if smooth_v and pv_accum_dtype != needed:
        _warn(f"pv_accum_dtype is {pv_accum_dtype}, smooth_v will be ignored.")


def _warn(text: str) -> None:
    """Warns the caller of this package, but not under torch.compile: that would break the graph."""
    if torch.compiler.is_compiling():
        return
    frame, level = sys._getframe().f_back, 2
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


def cast_for_autocast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The tensors; under torch.autocast, float32 ones cast to autocast's dtype."""
    if not torch.is_autocast_enabled("cuda"):
        return tensors
    dtype = torch.get_autocast_dtype("cuda")
    return tuple(x.to(dtype) if x.dtype == torch.float32 and x.is_cuda else x for x in tensors)


def check_tensors(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    """Checks devices, strides, head dims and gradients. sageattn documents the errors.

    The operators check that the three dtypes are the same: callers also reach the operators without
    this function.
    """
    if not (q.is_cuda and k.is_cuda and v.is_cuda):
        devices = ", ".join(f"{name} is on {x.device}" for name, x in zip("qkv", (q, k, v)))
        raise InputError(f"Input tensors must be on cuda: {devices}; {why_no_gpu()}")
    if not q.device == k.device == v.device:
        raise InputError(
            f"All tensors must be on the same device, got {q.device}, {k.device} and {v.device}."
        )
    if q.dtype not in DTYPES:
        raise InputError(f"Input tensors must be float16 or bfloat16, got {q.dtype}.")
    if not q.stride(-1) == k.stride(-1) == v.stride(-1) == 1:
        raise InputError(NOT_CONTIGUOUS)
    if not q.shape[-1] == k.shape[-1] == v.shape[-1]:
        raise ValueError(
            f"q, k and v must share head_dim, got {q.shape[-1]}, {k.shape[-1]} and {v.shape[-1]}"
        )
    if wants_gradient(q, k, v):
        raise NotImplementedError(_NO_BACKWARD.format("q, k and v"))


def wants_gradient(*tensors: torch.Tensor | None) -> bool:
    """Whether a backward pass would follow, which no kernel has."""
    for tensor in tensors:
        if tensor is not None and tensor.requires_grad:
            return torch.is_grad_enabled()
    return False


def check_mask(mask: torch.Tensor) -> None:
    """Raises TypeError for what is no tensor, NotImplementedError where its gradient is wanted."""
    if not isinstance(mask, torch.Tensor):
        raise TypeError(f"attn_mask must be a tensor, got {type(mask).__name__}")
    if wants_gradient(mask):
        raise NotImplementedError(_NO_BACKWARD.format("attn_mask"))


def usable_mask(mask: torch.Tensor | None, query: torch.Tensor) -> torch.Tensor | None:
    """The mask on the query's device in a dtype that kernels read. Raises InputError for another device, and what
    check_mask does."""
    if mask is None:
        return None
    check_mask(mask)
    if mask.device != query.device:
        raise InputError(f"attn_mask is on {mask.device}, q on {query.device}.")
    if mask.is_floating_point() and mask.dtype not in MASK_DTYPES:
        return mask.to(torch.float32)
    return mask


def int32_starts(starts: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """cu_seqlens as int32 on the tensor's device. Raises InputError if they are not contiguous integers."""
    if not starts.is_contiguous():
        raise InputError("cu_seqlens_q and cu_seqlens_k must be contiguous.")
    if starts.dtype not in (torch.int32, torch.int64):
        raise InputError(
            f"cu_seqlens_q and cu_seqlens_k must be int32 or int64, got {starts.dtype}."
        )
    return starts.to(device=tensor.device, dtype=torch.int32)


def largest_length(
    name: str, length: int | torch.Tensor, rows: int
) -> tuple[int, torch.Tensor | None]:
    """The largest length of sequences, at most rows, and None; for a tensor, rows and the tensor.

    The operator reads the tensor when the operator runs, so that tracing a graph waits for nothing. Raises TypeError
    for what is no integer, and InputError for such a tensor.
    """
    if isinstance(length, torch.Tensor):
        check_length(name, length)
        return rows, length
    if not isinstance(length, (int, torch.SymInt)) and not hasattr(length, "__index__"):  # NumPy's have it
        raise TypeError(f"{name} must be an int or a tensor of one, got {type(length).__name__}")
    return min(length, rows), None
