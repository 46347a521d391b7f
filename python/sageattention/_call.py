"""The parts of one attention call: its tensors and options, and the request for its kernel."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ._operand import Operand


class Request(NamedTuple):
    """Everything but the GPU that decides the kernel. _dispatch explains method, mask_form mask."""

    method: str = "auto"
    head_dim: int = 128
    bfloat16: bool = False
    mask: str = ""
    varlen: bool = False


class Lengths(NamedTuple):
    """The starts of sequences, int32 [batch + 1] on the device, and the largest length."""

    starts: Operand
    rows: int

    @property
    def batch(self) -> int:
        return self.starts.shape[0] - 1


class Call(NamedTuple):
    """An attention to plan: checked operands, outputs to write, options.

    Sequences behind each other (varlen) are views of batch 1 in NHD layout, with the lengths of
    queries and of keys; same_lengths: both are surely the same. The mask is expanded: [batch, query
    heads, query rows, key rows].
    """

    query: Operand
    key: Operand
    value: Operand
    output: Operand
    lse: Operand | None
    mask: Operand | None
    nhd: bool
    causal: int
    sm_scale: float
    granularity: int
    smooth_k: bool
    lengths: tuple[Lengths, Lengths] | None = None
    same_lengths: bool = False

    def request(self, method: str) -> Request:
        """The request that decides the kernel of this call."""
        query = self.query
        return Request(
            method,
            query.shape[-1],
            query.dtype == torch.bfloat16,
            mask_form(self.mask),
            self.lengths is not None,
        )


def mask_strides(mask: Operand) -> tuple[int, ...]:
    """The strides of an expanded mask, 0 where a dimension has one element."""
    return tuple(0 if size == 1 else step for size, step in zip(mask.shape, mask.stride()))


def mask_form(mask: Operand | None) -> str:
    """What of a mask decides which kernels read it: "" for none, "bool", "float" or "other".

    "float" is what the wgmma kernels read of masks of floats: one row for all queries, or rows of
    neighbouring keys on multiples of four numbers. All other masks of floats are "other".
    """
    if mask is None:
        return ""
    if mask.dtype == torch.bool:
        return "bool"
    *outer, row, column = mask_strides(mask)
    in_fours = all(step % 4 == 0 for step in (*outer, row, mask.shape[-1])) and column == 1
    return "float" if row == 0 or in_fours else "other"
