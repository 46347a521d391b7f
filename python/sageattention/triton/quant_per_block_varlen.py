"""Blocks of the rows of varlen sequences to INT8 with one scale each."""

from __future__ import annotations

import torch

from ._attention import quantized_key, quantized_query
from ._launch import KEY_BLOCK, QUERY_BLOCK, check_quantizable, varlen


def per_block_int8(
    q: torch.Tensor,
    k: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    BLKQ: int = QUERY_BLOCK,
    BLKK: int = KEY_BLOCK,
    sm_scale: float | None = None,
) -> tuple[
    torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None
]:
    """q_int8, q_scale, k_int8, k_scale, cu_seqlens_q_scale, cu_seqlens_k_scale for the varlen forward.

    q and k are [total rows, heads, head_dim]. Scales are float32 [blocks, heads]; those of sequence
    b are rows cu_seqlens_scale[b] to cu_seqlens_scale[b + 1]. Unlike 2.2 there may be unused rows
    after the last scale, because only the device knows the number of scales. q_scale holds sm_scale
    * log2(e).
    """
    check_quantizable(q, k)
    sm_scale = q.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    queries = varlen(q, cu_seqlens_q, max_seqlen_q)
    query, q_scales = quantized_query(queries, True, sm_scale, block=BLKQ)
    key, k_scales = quantized_key(varlen(k, cu_seqlens_k, max_seqlen_k), True, block=BLKK)
    return (
        query.tensor,
        q_scales.tensor,
        key.tensor,
        k_scales.tensor,
        q_scales.starts,
        k_scales.starts,
    )
