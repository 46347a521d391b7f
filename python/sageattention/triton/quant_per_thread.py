"""Rows to INT8 with the scales that one thread of an mma.sync tile meets.

A warp's BLK queries have eight scales, row r using number r % 8; BLK keys have four, key c number c % 8 // 2.
"""

from __future__ import annotations

import torch

from .._shapes import is_nhd
from . import _launch
from ._launch import (
    KEY_BLOCK,
    QUERY_BLOCK,
    Groups,
    Rows,
    Scales,
    check_quantizable,
    dense,
    mean_of_heads,
)
from ._thread_kernels import (
    quant_key_per_thread_int8_kernel,
    quant_query_per_thread_int8_kernel,
)

__all__ = [
    "per_thread_int8",
    "quant_key_per_thread_int8_kernel",
    "quant_query_per_thread_int8_kernel",
]


def per_thread_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = QUERY_BLOCK,
    WARPQ: int = 32,
    BLKK: int = KEY_BLOCK,
    WARPK: int = KEY_BLOCK,
    sm_scale: float | None = None,
    tensor_layout: str = "HND",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """q_int8, q_scale, k_int8, k_scale for the CUDA kernels: nothing is folded into the scales.

    q_scale is float32 [batch, heads, blocks of BLKQ * (BLKQ / WARPQ) * 8], k_scale [batch, heads, blocks of
    BLKK * (BLKK / WARPK) * 4]. km as in per_block_int8; sm_scale is not used. Raises ValueError for an
    unknown layout, other dtypes and head dims above 256.
    """
    check_quantizable(q, k)
    nhd = is_nhd(tensor_layout)
    query = _quantized(dense(q, nhd), nhd, BLKQ, Groups(WARPQ, groups=8, run=1), None)
    mean = mean_of_heads(km, nhd)
    key = _quantized(dense(k, nhd), nhd, BLKK, Groups(WARPK, groups=4, run=2), mean)
    return query[0].tensor, query[1].tensor, key[0].tensor, key[1].tensor


def _quantized(
    rows: Rows, nhd: bool, block: int, groups: Groups, mean: torch.Tensor | None
) -> tuple[Rows, Scales]:
    scales = _launch.new_scales(rows, block, block // groups.block * groups.groups)
    output = _launch.like(rows, _launch.new_int8(rows), nhd)
    _launch.quantize(rows, output, scales, groups, 1.0, mean)
    return output, scales
