"""Blocks of rows to INT8 with one scale each."""

from __future__ import annotations

import torch

from .._shapes import is_nhd
from ._attention import quantized_key, quantized_query
from ._launch import KEY_BLOCK, QUERY_BLOCK, check_quantizable, dense, mean_of_heads


def per_block_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    km: torch.Tensor | None = None,
    BLKQ: int = QUERY_BLOCK,
    BLKK: int = KEY_BLOCK,
    sm_scale: float | None = None,
    tensor_layout: str = "HND",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """q_int8, q_scale, k_int8, k_scale for attn_qk_int8_per_block[_causal].forward.

    int8 tensors are contiguous in the given layout; scales are float32 [batch, heads, blocks]. q_scale holds
    sm_scale (default head_dim ** -0.5) * log2(e). km, the keys' mean [batch, heads, head_dim] or with a kept
    row dim, is subtracted from the keys. BLKQ and BLKK are powers of two; forward wants 128 and 64.
    Raises ValueError for an unknown layout, other dtypes and head dims above 256.
    """
    check_quantizable(q, k)
    nhd = is_nhd(tensor_layout)
    sm_scale = q.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    query, q_scales = quantized_query(dense(q, nhd), nhd, sm_scale, block=BLKQ)
    key, k_scales = quantized_key(dense(k, nhd), nhd, mean_of_heads(km, nhd), BLKK)
    return query.tensor, q_scales.tensor, key.tensor, k_scales.tensor
