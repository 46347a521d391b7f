"""transformers' attn_implementation="sage".

    from sageattention.integrations import transformers as sage

    sage.register()
    AutoModel.from_pretrained(…, dtype=torch.float16, attn_implementation="sage")

Masks are those of its implementation "sdpa": padding, windows and packed sequences arrive as one.
"""

from __future__ import annotations

from typing import Any

import torch

from ..core import sageattn

NAME = "sage"
# What this attention cannot do, by the keywords that models ask for it with.
_UNSERVED = {
    "softcap": "capped scores",
    "s_aux": "attention sinks",
    "output_attentions": "attention weights",
}


def register(name: str = NAME) -> None:
    """Adds this package to transformers' attention and mask functions under a name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of [batch, heads, rows, head_dim]: output [batch, rows, heads, head_dim], no weights.

    A model is causal unless it says otherwise, but not with a mask, which holds the causal part,
    nor for a single query row. position_bias is added to the scores.

    Raises ValueError for dropout and for what _UNSERVED lists, and what sageattn raises.
    """
    if dropout:
        raise ValueError("attention `sage` has no dropout: model.eval(), or another implementation")
    for keyword, what in _UNSERVED.items():
        asked = kwargs.get(keyword)
        if isinstance(asked, torch.Tensor) or asked:  # sinks are a tensor, which is neither true nor false
            raise ValueError(f"attention `sage` has no {what} ({keyword}): use `eager`")
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = query.shape[2] > 1 and attention_mask is None and causal
    output = sageattn(
        query, key, value, tensor_layout="HND", is_causal=causal, sm_scale=scaling,
        attn_mask=_added(attention_mask, position_bias),
    )  # fmt: skip
    return output.transpose(1, 2).contiguous(), None


def _added(mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor | None:
    if mask is None or bias is None:
        return bias if mask is None else mask
    return bias.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else bias + mask
