"""Planned Triton calls: the first one launches as any other, the next ones of the same shapes repeat its launches.

Only dense calls without mask and LSE, on addresses that are multiples of 16, as Triton compiled the kernels for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .._plan import Workspace
from . import _attention
from ._attention import Launches

if TYPE_CHECKING:
    from .._call import Call
    from .._plan import Plan, Result


class _Repeated(NamedTuple):
    """The launches of a call, and where in one allocation its INT8 rows and scales lie."""

    launches: Launches
    places: list[int]  # queries and their scales, keys and their scales
    size: int

    @classmethod
    def of(cls, launches: Launches) -> _Repeated:
        room = Workspace()
        return cls(launches, [room.place(count) for count in launches.bytes], room.size)


def plan(call: Call) -> Plan:
    """A plan of a dense call without mask and LSE."""
    nhd, causal, sm_scale, smooth_k = call.nhd, call.causal, call.sm_scale, call.smooth_k
    repeated: list[_Repeated] = []  # one, once there is a call to repeat

    def keep(launches: Launches) -> None:
        repeated[:] = [_Repeated.of(launches)]

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: object) -> Result:
        aligned = (query.data_ptr() | key.data_ptr() | value.data_ptr()) % 16 == 0
        if repeated and aligned:
            mean = key.mean(1 if nhd else 2, dtype=torch.float32) if smooth_k else None
            return _repeat(repeated[0], query, key, value, mean), None
        output, _lse = _attention.attention(
            query, key, value, nhd, causal, sm_scale, smooth_k, keep=keep if aligned else None
        )
        return output, None

    return run


def _repeat(
    call: _Repeated, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mean: torch.Tensor | None
) -> torch.Tensor:
    launches, places, size = call
    output = query.new_empty(query.shape)
    scratch = query.new_empty(size, dtype=torch.uint8)
    base = scratch.data_ptr()
    queries, query_scales, keys, key_scales = [base + place for place in places]
    nothing = (None,) * 4
    launches.query(query, (query.data_ptr(), queries, query_scales, *nothing))
    launches.key(key, (key.data_ptr(), keys, key_scales, None if mean is None else mean.data_ptr(), *nothing[1:]))
    operands = queries, keys, value.data_ptr(), output.data_ptr(), query_scales, key_scales
    launches.attention(query, (*operands, None, None, *nothing))
    return output
