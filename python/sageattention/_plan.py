"""Plans: calls of one shape are checked, dispatched and filled in once; after that only addresses differ.

A plan holds what a call of these shapes, strides, dtypes and options does, and is called with the tensors. Making one
costs the host several times what calling it does.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Hashable, Iterable
from typing import Any, Callable, NamedTuple

import torch

from . import _operand
from ._library import check, library
from ._operand import Operand

Pair = tuple[torch.Tensor, torch.Tensor]
# query, key, value, mask, starts of queries, starts of keys -> output, LSE (empty if not wanted)
Plan = Callable[..., Pair]

_ALIGNMENT = 256  # of places in a workspace: the kernels read 16 bytes at a time, caches 128
_LAUNCH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)


class Workspace:
    """One allocation, whose places are handed out one behind the other."""

    def __init__(self) -> None:
        self.size = 0

    def bytes(self, count: int) -> int:
        """The address of so many bytes."""
        address = _operand.symbol(_operand.WORKSPACE, self.size)
        self.size += -(-count // _ALIGNMENT) * _ALIGNMENT
        return address

    def new(self, dtype: torch.dtype, *shape: int) -> Operand:
        """Room for a contiguous tensor."""
        return Operand.contiguous(self.bytes(math.prod(shape) * dtype.itemsize), shape, dtype)

    def float32(self, *shape: int) -> Operand:
        return self.new(torch.float32, *shape)


class Step(NamedTuple):
    """A function of the C library that launches, and its parameters, whose addresses are symbols."""

    function: str
    params: ctypes.Structure


class _Launch(NamedTuple):
    """A step as it is repeated: slots are (word of the parameters, source, offset)."""

    function: Any
    words: Any
    slots: list[tuple[int, int, int]]


@functools.cache
def _pointers(params: type[ctypes.Structure]) -> list[int]:
    """Which words of a parameter struct are addresses."""
    found = []
    for name, field, *_ in params._fields_:
        word = getattr(params, name).offset // 8
        if field is ctypes.c_void_p:
            found.append(word)
        elif issubclass(field, ctypes.Structure):
            found += [word + inner for inner in _pointers(field)]
    return found


@functools.cache
def _function(name: str) -> Any:
    return _LAUNCH((name, library()))


def _launch(step: Step) -> _Launch:
    words = (ctypes.c_uint64 * (ctypes.sizeof(step.params) // 8)).from_buffer_copy(step.params)
    slots = [(word, *_operand.parts(words[word])) for word in _pointers(type(step.params)) if words[word]]
    return _Launch(_function(step.function), words, slots)


class LibraryPlan:
    """Steps of the C library, in one workspace that is allocated for each call."""

    def __init__(self, steps: Iterable[Step], workspace: Workspace, device: torch.device) -> None:
        self.launches = [_launch(step) for step in steps]
        self.size, self._index = workspace.size, device.index

    def run(self, query: torch.Tensor, *others: torch.Tensor | None) -> None:
        """Queues the steps on the current stream of the plan's device.

        others are the sources behind the query and before the workspace, in the order of _operand.
        """
        scratch = query.new_empty(self.size, dtype=torch.uint8)
        tensors = query, *others, scratch
        addresses = [0, *(0 if x is None else x.data_ptr() for x in tensors)]
        # torch.cuda.current_stream builds a Python object each time; a launch only needs the handle.
        stream = torch._C._cuda_getCurrentRawStream(self._index)
        for function, words, slots in self.launches:
            filled = type(words).from_buffer_copy(words)  # other threads may run this plan too
            for word, source, offset in slots:
                filled[word] = addresses[source] + offset
            status = function(filled, self._index, stream)
            if status:
                check(status)


class Plans:
    """Plans by what decides them. The number is bounded: programs may call with ever new lengths."""

    LIMIT = 4096

    def __init__(self) -> None:
        self._found: dict[Hashable, Plan] = {}

    def get(self, identity: Hashable, make: Callable[[], Plan]) -> Plan:
        """The plan of an identity, made now if it is new."""
        plan = self._found.get(identity)
        if plan is None:
            plan = make()
            if len(self._found) >= self.LIMIT:
                self._found.clear()
            self._found[identity] = plan
        return plan

    def clear(self) -> None:
        """Forgets all plans: what decides them has changed."""
        self._found.clear()
