"""Attention over INT8 blocks where query i sees keys 0 to i."""

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
    output_dtype: torch.dtype = torch.float16,
    return_lse: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output in output_dtype and the base-2 LSE: see _forward.forward_dense.

    Unlike in 2.2 the numbers of queries and keys may differ; the mask is aligned top left.
    """
    return forward_dense(
        q, k, v, q_scale, k_scale, tensor_layout, None, output_dtype, return_lse, causal=1
    )
