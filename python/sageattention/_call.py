"""What one attention call is made of: the request that decides its kernel, and its tensors and options."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Request(NamedTuple):
    """All that the choice of a kernel depends on, besides the GPU. method: see _dispatch."""

    method: str = "auto"
    head_dim: int = 128
    bfloat16: bool = False
    masked: bool = False
    varlen: bool = False


class Lengths(NamedTuple):
    """Where sequences begin, int32 [batch + 1] on the device, and the largest length."""

    starts: torch.Tensor
    rows: int

    @property
    def batch(self) -> int:
        return self.starts.shape[0] - 1


class Call(NamedTuple):
    """An attention to compute: checked tensors, outputs to write, options.

    Sequences that lie behind each other (varlen) are views of batch 1 in NHD layout, with the lengths of queries and
    of keys. The mask is expanded: [batch, query heads, query rows, key rows].
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    output: torch.Tensor
    lse: torch.Tensor | None
    mask: torch.Tensor | None
    nhd: bool
    causal: int
    sm_scale: float
    granularity: int
    smooth_k: bool
    lengths: tuple[Lengths, Lengths] | None = None

    def request(self, method: str) -> Request:
        """What decides the kernel of this call."""
        query = self.query
        return Request(
            method,
            query.shape[-1],
            query.dtype == torch.bfloat16,
            self.mask is not None,
            self.lengths is not None,
        )
