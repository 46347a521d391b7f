"""What the classes behind SGLang's sage_attn and vLLM-Omni's SAGE_ATTN have in common: both programs have FastVideo's
two classes, a backend, which is only asked, and the attention of one layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from .._shapes import MAX_HEAD_DIM
from ..core import sageattn


class EveryHeadDim:
    """What a backend says of itself; stands before the program's own class."""

    layer: ClassVar[type]

    @staticmethod
    def get_supported_head_sizes() -> list[int]:
        """1 to 256."""
        return list(range(1, MAX_HEAD_DIM + 1))

    @classmethod
    def get_impl_cls(cls) -> type:
        """The class that the program makes one object of for each layer."""
        return cls.layer


class Layer:
    """The attention of one layer; stands before the program's own class, whose __init__ sets the attributes."""

    causal: bool
    softmax_scale: float

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any
    ) -> Any:
        """Attention of [batch, rows, heads, head_dim], with further options of sageattn."""
        return sageattn(
            query, key, value, tensor_layout="NHD", is_causal=self.causal,
            sm_scale=self.softmax_scale, **options,
        )  # fmt: skip
