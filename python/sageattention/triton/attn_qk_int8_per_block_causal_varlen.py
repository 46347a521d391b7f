"""Attention over INT8 blocks of packed sequences where query i of a sequence sees its keys 0 to i."""

from __future__ import annotations

import torch

from ._forward import forward_varlen


def forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    q_scale: torch.Tensor,
    k_scale: torch.Tensor,
    cu_seqlens_q_scale: torch.Tensor,
    cu_seqlens_k_scale: torch.Tensor,
    output_dtype: torch.dtype = torch.float16,
) -> torch.Tensor:
    """Output in output_dtype, like q: see _forward.forward_varlen."""
    queries = (q, cu_seqlens_q, q_scale, cu_seqlens_q_scale)
    keys = (k, cu_seqlens_k, k_scale, cu_seqlens_k_scale)
    return forward_varlen(queries, keys, v, max_seqlen_q, 1, output_dtype)
