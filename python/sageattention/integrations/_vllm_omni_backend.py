"""The class behind SAGE_ATTN of vLLM-Omni. Imports vLLM-Omni, so that only vllm_omni.py names it."""

from __future__ import annotations

from typing import Any

import torch
from vllm_omni.diffusion.attention.backends import sage_attn

from .._shapes import MAX_HEAD_DIM
from ..core import sageattn


class SageAttentionBackend(sage_attn.SageAttentionBackend):  # type: ignore[misc]
    """vLLM-Omni's backend, with masks and every head dim."""

    @classmethod
    def supports_attention_mask(cls, attention_spec: object | None = None) -> bool:
        """Padding and full masks both."""
        return True

    @staticmethod
    def get_supported_head_sizes() -> list[int]:
        """1 to 256."""
        return list(range(1, MAX_HEAD_DIM + 1))

    @staticmethod
    def get_impl_cls() -> type[SageAttentionImpl]:
        """The class that vLLM-Omni makes one object of for each layer."""
        return SageAttentionImpl


class SageAttentionImpl(sage_attn.SageAttentionImpl):  # type: ignore[misc]
    """The attention of one layer."""

    def forward_cuda(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_metadata: Any = None,
    ) -> Any:
        """Attention of [batch, rows, heads, head_dim]. A mask of [batch, key rows] is true where a key is seen."""
        mask = None if attn_metadata is None else attn_metadata.attn_mask
        if mask is not None and mask.shape == (query.shape[0], key.shape[1]):
            mask = mask.to(torch.bool).unsqueeze(1).unsqueeze(1)
        return sageattn(
            query, key, value, tensor_layout="NHD", is_causal=self.causal,
            sm_scale=self.softmax_scale, attn_mask=mask,
        )  # fmt: skip
