"""The attention kernel on tensors that the quantisers of this folder made, for the modules of 2.2."""

from __future__ import annotations

import torch

from .._errors import InputError
from .._shapes import DTYPES, is_nhd
from ._attention import expanded
from ._launch import Scales, attend, dense, varlen


def forward_dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    q_scale: torch.Tensor,
    k_scale: torch.Tensor,
    tensor_layout: str = "HND",
    attn_mask: torch.Tensor | None = None,
    output_dtype: torch.dtype = torch.float16,
    return_lse: bool = False,
    *,
    causal: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output in output_dtype, contiguous in the layout, and LSE, float32 [batch, heads, rows].

    q and k are int8, v is float16 or bfloat16. q_scale, float32 [batch, heads, blocks of 128 rows],
    holds sm_scale * log2(e); k_scale is per 64 rows. The LSE is empty unless return_lse; it is in
    base 2 and of the keys as given, without their mean. attn_mask is bool, or float in natural
    units (2.2 took float masks in base 2).
    """
    _check(q, k, v, q_scale, k_scale, output_dtype)
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
    *,
    causal: int,
) -> torch.Tensor:
    """Contiguous output like q, in output_dtype; 0 without keys. No mask and no LSE, as in 2.2.

    Scales are float32 [blocks, heads]; those of sequence b begin at cu_seqlens_scale[b].
    """
    _check(q, k, v, q_scale, k_scale, output_dtype)
    output = torch.empty(q.shape, dtype=output_dtype, device=q.device)
    attend(
        varlen(q, cu_seqlens_q, max_seqlen_q),
        varlen(k, cu_seqlens_k, 0),
        varlen(v, cu_seqlens_k, 0),
        varlen(output, cu_seqlens_q, max_seqlen_q),
        Scales(q_scale, cu_seqlens_q_scale),
        Scales(k_scale, cu_seqlens_k_scale),
        causal,
    )
    return output


def _check(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    q_scale: torch.Tensor,
    k_scale: torch.Tensor,
    output_dtype: torch.dtype,
) -> None:
    """Checks dtypes. Raises InputError."""
    if not q.dtype == k.dtype == torch.int8:
        raise InputError(f"q and k must be int8, got {q.dtype} and {k.dtype}.")
    if v.dtype not in DTYPES or output_dtype not in DTYPES:
        raise InputError(
            f"v and output must be float16 or bfloat16, got {v.dtype} and {output_dtype}."
        )
    if not q_scale.dtype == k_scale.dtype == torch.float32:
        raise InputError(f"scales must be float32, got {q_scale.dtype} and {k_scale.dtype}.")
