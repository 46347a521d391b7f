"""The class behind SAGE_ATTN of vLLM-Omni. Imports vLLM-Omni, so that only vllm_omni.py names it."""

from __future__ import annotations

from typing import Any

import torch
from vllm_omni.diffusion.attention.backends import sage_attn

from ._plugin_backend import EveryHeadDim, Layer


class SageAttentionImpl(Layer, sage_attn.SageAttentionImpl):  # type: ignore[misc]
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
        return self.attend(query, key, value, attn_mask=mask)


class SageAttentionBackend(EveryHeadDim, sage_attn.SageAttentionBackend):  # type: ignore[misc]
    """vLLM-Omni's backend, with masks and every head dim."""

    layer = SageAttentionImpl

    @classmethod
    def supports_attention_mask(cls, attention_spec: object | None = None) -> bool:
        """Padding and full masks both."""
        return True
