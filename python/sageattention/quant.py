"""The quantisers by themselves, with the signatures of SageAttention 2.2.

The quantisers of queries and keys return q_int8, q_scale, k_int8, k_scale: int8 tensors contiguous
in the given layout and float32 scales [batch, heads, scales per head]. km, the mean of the keys
([batch, heads, head_dim] or with a kept row dim), is subtracted from the keys before they are
quantised. Blocks have 128 or 64 rows (BLKQ, BLKK) and warps 32 or 16 (WARPQ); ValueError otherwise.
q and k are both float16 or both bfloat16.
"""

from __future__ import annotations

import math

import torch

from . import _abi
from ._errors import InputError
from ._namespace import OPERATORS
from ._shapes import DTYPES, Blocks, is_nhd

Quantized = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def per_block_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = _abi.QUERY_BLOCK,
    BLKK: int = _abi.KEY_BLOCK,
    sm_scale: float | None = None,
    tensor_layout: str = "HND",
) -> Quantized:
    """One scale per BLKQ query rows and per BLKK key rows.

    As in 2.2, q_scale here holds sm_scale * log2(e) as well (sm_scale defaults to head_dim ** -0.5).
    """
    blocks = Blocks(BLKQ, 32, BLKK)
    q_int8, q_scale, k_int8, k_scale = _quantize(q, k, km, tensor_layout, _abi.PER_BLOCK, blocks)
    sm_scale = q.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    return q_int8, q_scale * (sm_scale * math.log2(math.e)), k_int8, k_scale


def per_warp_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = _abi.QUERY_BLOCK,
    WARPQ: int = _abi.QUERY_WARP,
    BLKK: int = _abi.KEY_BLOCK,
    tensor_layout: str = "HND",
) -> Quantized:
    """One scale per WARPQ query rows and per BLKK key rows."""
    return _quantize(q, k, km, tensor_layout, _abi.PER_WARP, Blocks(BLKQ, WARPQ, BLKK))


def per_thread_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = _abi.QUERY_BLOCK,
    WARPQ: int = _abi.QUERY_WARP,
    BLKK: int = _abi.KEY_BLOCK,
    WARPK: int = _abi.KEY_BLOCK,
    sm_scale: float | None = None,
    tensor_layout: str = "HND",
) -> Quantized:
    """Eight scales per WARPQ query rows, four per BLKK key rows: those that one thread of an MMA meets.

    WARPK, 2.2's argument, must be BLKK; other numbers raise ValueError. sm_scale is not used, as in
    2.2.
    """
    if WARPK != BLKK:
        raise ValueError(f"Unsupported WARPK: {WARPK}; it must be BLKK, {BLKK}")
    return _quantize(q, k, km, tensor_layout, _abi.PER_THREAD, Blocks(BLKQ, WARPQ, BLKK))


def sub_mean(v: torch.Tensor, tensor_layout: str = "HND") -> tuple[torch.Tensor, torch.Tensor]:
    """v less its mean over rows, float16 and contiguous; and that mean, [batch, heads, head_dim] like v.

    Raises InputError for a v that is neither float16 nor bfloat16.
    """
    if v.dtype not in DTYPES:
        raise InputError(f"expected float16 or bfloat16, got {v.dtype}")
    rows = 1 if is_nhd(tensor_layout) else 2
    mean = v.float().mean(rows, keepdim=True).to(v.dtype)
    smooth = (v.float() - mean.float()).to(torch.float16, memory_format=torch.contiguous_format)
    return smooth, mean.squeeze(rows)


def per_channel_fp8(
    v: torch.Tensor,
    tensor_layout: str = "HND",
    scale_max: float = 448.0,
    smooth_v: bool = True,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Values in E4M3 with a scale per channel: v_fp8, v_scale, and with smooth_v the mean, else None.

    v_fp8 is float8_e4m3fn [batch, heads, head_dim, keys] (HND) or [batch, head_dim, heads, keys] (NHD), padded
    with zeros to a multiple of 64 keys, which are permuted inside each 16 as in 2.2. v_scale and the mean are
    float32 [batch, heads, head_dim]. A channel of zeros has scale 1.
    """
    v_fp8, v_scale, mean = OPERATORS.quantize_value(v, is_nhd(tensor_layout), scale_max, smooth_v)
    return v_fp8, v_scale, mean if smooth_v else None


def key_mean(k: torch.Tensor, tensor_layout: str = "HND") -> torch.Tensor:
    """Mean of the keys over their rows, float32 [batch, heads, head_dim]: the km of the quantisers."""
    mean: torch.Tensor = OPERATORS.mean(k, is_nhd(tensor_layout))
    return mean


def _quantize(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None,
    tensor_layout: str,
    granularity: int,
    blocks: Blocks,
) -> Quantized:
    nhd = is_nhd(tensor_layout)
    if q.dtype != k.dtype:
        raise InputError(f"q and k must have the same dtype, got {q.dtype} and {k.dtype}.")
    if km is not None and km.dim() == 4:
        km = km.squeeze(1 if nhd else 2)
    if km is not None:
        if not km.is_floating_point():
            raise InputError(f"km must be float, got {km.dtype}")
        km = km.to(torch.float32).contiguous()
    q_int8, q_scale, _ = OPERATORS.quantize_query(
        q, None, nhd, granularity, blocks.query, blocks.warp
    )
    k_int8, k_scale = OPERATORS.quantize_key(k, km, nhd, granularity, blocks.key)
    return q_int8, q_scale, k_int8, k_scale
