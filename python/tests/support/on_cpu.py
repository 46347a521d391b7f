"""sageattn for models on a CPU: the package checks each call, PyTorch computes it.

A model whose layers run here gives what it gives with PyTorch's attention, if the layer between the
model and sageattn hands over the right mask, scale, layout and heads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention


class OnCpu:
    """Takes the place of sageattn; calls counts what arrived."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        tensor_layout: str = "HND",
        is_causal: bool = False,
        sm_scale: float | None = None,
        return_lse: bool = False,
        *,
        attn_mask: torch.Tensor | None = None,
    ) -> Any:
        self.calls += 1
        _check(q, k, v, tensor_layout, is_causal, sm_scale, return_lse, attn_mask)
        nhd = tensor_layout == "NHD"
        q, k, v = (x.transpose(1, 2) if nhd else x for x in (q, k, v))
        output = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=attn_mask, is_causal=is_causal, scale=sm_scale, enable_gqa=True
        )
        return output.transpose(1, 2) if nhd else output


def _check(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str,
    is_causal: bool,
    sm_scale: float | None,
    return_lse: bool,
    attn_mask: torch.Tensor | None,
) -> None:
    """The real call with tensors of the same layout that say they are on a GPU."""
    with FakeTensorMode():
        inputs = [
            torch.empty_strided(x.shape, x.stride(), dtype=torch.float16, device="cuda")
            for x in (q, k, v)
        ]
        mask = attn_mask
        if mask is not None:
            mask = torch.empty(mask.shape, dtype=mask.dtype, device="cuda")
        sageattention.sageattn(
            *inputs, tensor_layout, is_causal, sm_scale, return_lse, attn_mask=mask
        )
