"""Tensors as the C library sees them: an address and numbers.

A plan (see _plan) is made from such operands before there are addresses: theirs are symbols, which say which of a
call's tensors, or which place in its workspace, is meant.
"""

from __future__ import annotations

from typing import NamedTuple, Union

import torch

from . import _abi

# What a symbol may stand for. 0 is no address.
SOURCES = range(1, 10)
QUERY, KEY, VALUE, OUTPUT, LSE, MASK, QUERY_STARTS, KEY_STARTS, WORKSPACE = SOURCES


def symbol(source: int, offset: int = 0) -> int:
    """The address of a source's byte."""
    return source << _abi.SOURCE_SHIFT | offset


class Operand(NamedTuple):
    """What the parameter structs need of a tensor, in the words of torch.Tensor."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, source: int, tensor: torch.Tensor) -> Operand:
        """A tensor of a call, without its address."""
        return cls(symbol(source), tuple(tensor.shape), tensor.stride(), tensor.dtype)

    @classmethod
    def contiguous(cls, address: int, shape: tuple[int, ...], dtype: torch.dtype) -> Operand:
        """A contiguous tensor of this shape at an address."""
        strides, step = [], 1
        for size in reversed(shape):
            strides.append(step)
            step *= max(size, 1)
        return cls(address, shape, tuple(reversed(strides)), dtype)

    def dim(self) -> int:
        return len(self.shape)

    def stride(self) -> tuple[int, ...]:
        return self.strides

    def data_ptr(self) -> int:
        return self.address


Array = Union[torch.Tensor, Operand]
