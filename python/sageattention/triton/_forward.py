"""The attention kernel on tensors that the quantisers of this folder made."""

from __future__ import annotations

import torch

from .._shapes import is_nhd
from ._attention import expanded
from ._launch import Scales, attend, dense, packed

Sequences = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def forward_dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    q_scale: torch.Tensor,
    k_scale: torch.Tensor,
    tensor_layout: str,
    causal: int,
    attn_mask: torch.Tensor | None,
    output_dtype: torch.dtype,
    return_lse: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output, contiguous in the layout, and LSE, float32 [batch, heads, rows], empty unless return_lse.

    q and k are int8, v is float16 or bfloat16. q_scale, float32 [batch, heads, blocks of 128 rows], holds
    sm_scale * log2(e); k_scale is per 64 rows. The LSE is to the base of 2 and of the keys as they are
    here, without their mean. attn_mask is bool, or float in natural units (2.2 took base 2 for them).
    """
    nhd = is_nhd(tensor_layout)
    query, key, value = dense(q, nhd), dense(k, nhd), dense(v, nhd)
    mask = None if attn_mask is None else expanded(attn_mask, query, key)
    output = torch.empty(q.shape, dtype=output_dtype, device=q.device)
    shape = (query.batch, query.heads, query.rows) if return_lse else (0,)
    lse = torch.empty(shape, dtype=torch.float32, device=q.device)
    attend(
        query,
        key,
        value,
        dense(output, nhd),
        Scales(q_scale),
        Scales(k_scale),
        causal,
        mask,
        lse if return_lse else None,
    )
    return output, lse


def forward_varlen(
    queries: Sequences,
    keys: Sequences,
    v: torch.Tensor,
    max_seqlen_q: int,
    causal: int,
    output_dtype: torch.dtype,
) -> torch.Tensor:
    """Contiguous output like the queries; without keys 0.

    queries and keys are the int8 rows, the starts of the sequences in them, their scales [blocks, heads],
    and the starts of the sequences' scales.
    """
    q, q_starts, q_scale, q_scale_starts = queries
    k, k_starts, k_scale, k_scale_starts = keys
    output = torch.empty(q.shape, dtype=output_dtype, device=q.device)
    attend(
        packed(q, q_starts, max_seqlen_q),
        packed(k, k_starts, 0),
        packed(v, k_starts, 0),
        packed(output, q_starts, max_seqlen_q),
        Scales(q_scale, q_scale_starts),
        Scales(k_scale, k_scale_starts),
        causal,
    )
    return output
