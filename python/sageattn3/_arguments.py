"""Checks the arguments of the public function; the operator checks what decides about memory."""

from __future__ import annotations

import difflib
import math
from typing import Any

import torch

from ._core import _options, _shapes

BACKENDS = ("auto", "fp4", "int8", "torch")

# Keywords of real callers that change nothing here, and why. dropout_p is looked at: only 0 is without effect.
IDIOMS = {
    "dropout_p": "torch's; inference has none",
    "pv_accum_dtype": "SageAttention 2's; FP4 sums in float32",
    "qk_quant_gran": "SageAttention 2's; FP4 has a scale for each 16 numbers",
    "smooth_k": "SageAttention 2's; keys are always smoothed",
    "quantization_backend": "SageAttention 2's; there is one",
    "single_level_p_quant": "SageAttention3's in FastVideo; probabilities have one level of scales here",
}


def check_idioms(given: dict[str, Any]) -> None:
    """Raises TypeError, naming them, for keywords that no caller is known by; ValueError for a dropout."""
    unknown = [name for name in given if name not in IDIOMS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], [*IDIOMS, *_OWN], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise TypeError(
            f"sageattn3_blackwell() got unexpected keywords {', '.join(unknown)}{hint}; "
            f"accepted and ignored are {', '.join(IDIOMS)}"
        )
    if given.get("dropout_p"):
        raise ValueError(f"dropout_p is {given['dropout_p']}: this function is for inference")


_OWN = (
    "attn_mask", "is_causal", "per_block_mean", "tensor_layout", "sm_scale", "return_lse", "smooth_v", "scale",
    "enable_gqa", "backend",
)  # fmt: skip


def check_backend(backend: str) -> None:
    """Raises ValueError for an unknown backend."""
    if backend not in BACKENDS:
        raise ValueError(f"Unknown backend: {backend}; use one of {BACKENDS}")


def check_tensors(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> None:
    """Checks dtypes, devices, head dims, strides and gradients. sageattn3_blackwell documents the errors."""
    dtypes = {tensor.dtype for tensor in (q, k, v)}
    if len(dtypes) > 1 or not dtypes <= set(_shapes.DTYPES):
        names = ", ".join(str(tensor.dtype) for tensor in (q, k, v))
        raise TypeError(f"q, k and v must all be float16 or all bfloat16, got {names}")
    if mask is not None:
        _options.check_mask(mask)
    _options.check_tensors(q, k, v)


def check_groups(q: torch.Tensor, k: torch.Tensor, nhd: bool, enable_gqa: bool) -> None:
    """Raises ValueError if numbers of heads differ although enable_gqa is off, as torch does."""
    heads, key_heads = _shapes.dims(q, nhd).heads, _shapes.dims(k, nhd).heads
    if not enable_gqa and heads != key_heads:
        raise ValueError(f"q has {heads} heads and k has {key_heads}: that needs enable_gqa=True")


def factor(head_dim: int, sm_scale: float | None, scale: float | None) -> float:
    """The factor of the scores. Raises ValueError unless it is above 0 and finite, and the same by both names."""
    if sm_scale is not None and scale is not None and sm_scale != scale:
        raise ValueError(f"sm_scale is {sm_scale}, and scale, its other name, is {scale}")
    given = scale if sm_scale is None else sm_scale
    if given is None:
        return float(_options.default_scale(head_dim))
    value = float(given)
    if not 0 < value < math.inf:
        raise ValueError(f"sm_scale is {value}, it must be above 0 and finite")
    return value
