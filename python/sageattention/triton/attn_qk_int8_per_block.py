"""Attention over INT8 blocks without a causal mask."""

from __future__ import annotations

import torch

from ._forward import forward_dense


def forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    q_scale: torch.Tensor,
    k_scale: torch.Tensor,
    tensor_layout: str = "HND",
    attn_mask: torch.Tensor | None = None,
    output_dtype: torch.dtype = torch.float16,
    return_lse: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output in output_dtype and the base-2 LSE: see _forward.forward_dense."""
    return forward_dense(
        q, k, v, q_scale, k_scale, tensor_layout, 0, attn_mask, output_dtype, return_lse
    )
