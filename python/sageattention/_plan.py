"""Plans: calls of one shape are checked, dispatched and filled in once; after that only addresses differ.

A plan holds what a call of these shapes, strides, dtypes and options does, and is called with the tensors. Making one
costs the host several times what calling it does.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Hashable, Iterable
from typing import Any, Callable, NamedTuple, Optional

import torch

from . import _abi, _operand
from ._library import check, library
from ._operand import Operand

Pair = tuple[torch.Tensor, torch.Tensor]
Result = tuple[torch.Tensor, Optional[torch.Tensor]]  # output, and LSE if it is wanted
# query, key, value, mask, starts of queries, starts of keys -> Result
Plan = Callable[..., Result]

_ALIGNMENT = 256  # of places in a workspace: the kernels read 16 bytes at a time, caches 128
_ADDRESSES = len(_operand.SOURCES) + 1  # source 0 is no address
_pack = struct.Struct(f"{_ADDRESSES}Q").pack  # costs less than an array of numbers


class Workspace:
    """One allocation, whose places are handed out one behind the other."""

    def __init__(self) -> None:
        self.size = 0

    def place(self, count: int) -> int:
        """Where so many bytes begin."""
        start = self.size
        self.size += -(-count // _ALIGNMENT) * _ALIGNMENT
        return start

    def bytes(self, count: int) -> int:
        """The address of so many bytes."""
        return _operand.symbol(_operand.WORKSPACE, self.place(count))

    def new(self, dtype: torch.dtype, *shape: int) -> Operand:
        """Room for a contiguous tensor."""
        return Operand.contiguous(self.bytes(math.prod(shape) * dtype.itemsize), shape, dtype)

    def float32(self, *shape: int) -> Operand:
        return self.new(torch.float32, *shape)


class Step(NamedTuple):
    """A launching function of the C library (sageattn_function), and its parameters, whose addresses are symbols."""

    function: int
    params: ctypes.Structure


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


class _Fixed(NamedTuple):
    """What the library reads of a step as long as the plan lives: a copy of the parameters, and where symbols are."""

    params: Any
    words: Any

    @classmethod
    def of(cls, step: Step) -> _Fixed:
        content = (ctypes.c_uint64 * (ctypes.sizeof(step.params) // 8)).from_buffer_copy(step.params)
        words = [word for word in _pointers(type(step.params)) if content[word]]
        return cls(content, (ctypes.c_int32 * len(words))(*words))

    def step(self, function: int) -> _abi.Step:
        return _abi.Step(ctypes.addressof(self.params), ctypes.addressof(self.words), len(self.words), function)


class LibraryPlan:
    """Steps that one call of the C library runs, in one workspace that is allocated for each call."""

    def __init__(self, steps: Iterable[Step], workspace: Workspace, device: torch.device) -> None:
        steps = [*steps]
        self._fixed = [_Fixed.of(step) for step in steps]
        filled = [fixed.step(step.function) for fixed, step in zip(self._fixed, steps)]
        self._steps = (_abi.Step * len(steps))(*filled)
        self._first, self._count = ctypes.cast(self._steps, ctypes.POINTER(_abi.Step)), len(steps)
        self.size, self._index = workspace.size, device.index
        self._run_steps = library().sageattn_run_steps

    def run(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        output: torch.Tensor,
        lse: torch.Tensor | None,
        mask: torch.Tensor | None,
        query_starts: torch.Tensor | None,
        key_starts: torch.Tensor | None,
    ) -> None:
        """Queues the steps on the current stream of the plan's device."""
        scratch = query.new_empty(self.size, dtype=torch.uint8)
        self.launch(
            query.data_ptr(),
            key.data_ptr(),
            value.data_ptr(),
            output.data_ptr(),
            0 if lse is None else lse.data_ptr(),
            0 if mask is None else mask.data_ptr(),
            0 if query_starts is None else query_starts.data_ptr(),
            0 if key_starts is None else key_starts.data_ptr(),
            scratch.data_ptr(),
        )

    def launch(self, *addresses: int) -> None:
        """The same with the address of each source, in the order of _operand, the workspace's among them."""
        # torch.cuda.current_stream builds a Python object each time; a launch only needs the handle.
        stream = torch._C._cuda_getCurrentRawStream(self._index)
        status = self._run_steps(self._first, self._count, _pack(0, *addresses), _ADDRESSES, self._index, stream)
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

    def find(self, identity: Hashable) -> Plan | None:
        """The plan of an identity, if it was made before."""
        return self._found.get(identity)

    def clear(self) -> None:
        """Forgets all plans: what decides them has changed."""
        self._found.clear()
