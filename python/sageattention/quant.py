"""The quantisers by themselves, with the signatures of SageAttention 2.2.

Each returns q_int8, q_scale, k_int8, k_scale: int8 tensors contiguous in the given layout and float32
scales [batch, heads, scales per head]. km, the mean of the keys ([batch, heads, head_dim] or with a kept
row dim), is subtracted from the keys before they are quantised. Block sizes are those of the kernels.
"""

from __future__ import annotations

import math

import torch

from . import _abi
from ._shapes import is_nhd

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
    """One scale per 128 query rows and per 64 key rows.

    As in 2.2, q_scale here holds sm_scale * log2(e) as well (sm_scale defaults to head_dim ** -0.5).
    """
    _check_blocks(BLKQ=(BLKQ, _abi.QUERY_BLOCK), BLKK=(BLKK, _abi.KEY_BLOCK))
    q_int8, q_scale, k_int8, k_scale = _quantize(q, k, km, tensor_layout, _abi.PER_BLOCK)
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
    """One scale per 32 query rows and per 64 key rows."""
    _check_blocks(
        BLKQ=(BLKQ, _abi.QUERY_BLOCK), WARPQ=(WARPQ, _abi.QUERY_WARP), BLKK=(BLKK, _abi.KEY_BLOCK)
    )
    return _quantize(q, k, km, tensor_layout, _abi.PER_WARP)


def per_thread_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = _abi.QUERY_BLOCK,
    WARPQ: int = _abi.QUERY_WARP,
    BLKK: int = _abi.KEY_BLOCK,
    WARPK: int = _abi.KEY_BLOCK,
    tensor_layout: str = "HND",
) -> Quantized:
    """Eight scales per 32 query rows, four per 64 key rows: those that one thread of an MMA meets."""
    _check_blocks(
        BLKQ=(BLKQ, _abi.QUERY_BLOCK),
        WARPQ=(WARPQ, _abi.QUERY_WARP),
        BLKK=(BLKK, _abi.KEY_BLOCK),
        WARPK=(WARPK, _abi.KEY_BLOCK),
    )
    return _quantize(q, k, km, tensor_layout, _abi.PER_THREAD)


def key_mean(k: torch.Tensor, tensor_layout: str = "HND") -> torch.Tensor:
    """Mean of the keys over their rows, float32 [batch, heads, head_dim]: the km of the quantisers."""
    mean: torch.Tensor = torch.ops.sageattention.mean(k, is_nhd(tensor_layout))
    return mean


def _quantize(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None,
    tensor_layout: str,
    granularity: int,
) -> Quantized:
    nhd = is_nhd(tensor_layout)
    if km is not None and km.dim() == 4:
        km = km.squeeze(1 if nhd else 2)
    if km is not None:
        km = km.to(torch.float32).contiguous()
    q_int8, q_scale, _ = torch.ops.sageattention.quantize_query(q, None, nhd, granularity)
    k_int8, k_scale = torch.ops.sageattention.quantize_key(k, km, nhd, granularity)
    return q_int8, q_scale, k_int8, k_scale


def _check_blocks(**blocks: tuple[int, int]) -> None:
    for name, (given, built) in blocks.items():
        if given != built:
            raise ValueError(f"Unsupported {name}: {given}; the kernels are built for {built}")
