"""The class behind sage_attn of SGLang. Imports SGLang, so that only sglang.py names it."""

from __future__ import annotations

from typing import Any

import torch
from sglang.multimodal_gen.runtime.layers.attention.backends import sage_attn

from ..core import sageattn_varlen
from ._plugin_backend import EveryHeadDim, Layer


class SageAttentionImpl(Layer, sage_attn.SageAttentionImpl):  # type: ignore[misc]
    """The attention of one layer."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_metadata: Any,
        *,
        return_softmax_lse: bool = False,
    ) -> Any:
        """Attention of [batch, rows, heads, head_dim]; the LSE is [batch, heads, rows]."""
        return self.attend(query, key, value, return_lse=return_softmax_lse)

    def forward_varlen(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        cu_seqlens: torch.Tensor,
        max_seqlen: int,
        cu_seqlens_host: tuple[int, ...] | None = None,
    ) -> Any:
        """Attention of sequences behind each other: [rows of all, heads, head_dim].

        A tail of padding stays 0, as SGLang's own function leaves it.
        """
        if self.packed_trailing_padding:
            lengths = {"cu_seqlens": cu_seqlens, "cu_seqlens_host": cu_seqlens_host}
            return super().forward_varlen(query, key, value, max_seqlen=max_seqlen, **lengths)
        return sageattn_varlen(
            query, key, value, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen,
            is_causal=self.causal, sm_scale=self.softmax_scale,
        )  # fmt: skip


class SageAttentionBackend(EveryHeadDim, sage_attn.SageAttentionBackend):  # type: ignore[misc]
    """SGLang's backend, with every head dim."""

    layer = SageAttentionImpl
