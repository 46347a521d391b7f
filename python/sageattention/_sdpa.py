"""Hands a call to torch's own attention: scaled_dot_product_attention, and FlashAttention's operator for sequences.

The results keep what this package promises: the layout, no gradient, the dtype under autocast. What torch computes in
another way than this package, or cannot compute, is not handed over: see why_not().
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

import torch

from ._call import Call
from ._plan import Pair, Plan
from ._shapes import dims

# Not torch.nn.functional's name: programs replace that one by sageattn.
attention: Any = torch._C._nn.scaled_dot_product_attention
_ENABLE_GQA = tuple(map(int, re.findall(r"\d+", torch.__version__)[:2])) >= (2, 5)


def why_not(call: Call) -> str:
    """Why torch cannot take a call's place, or ""."""
    if call.lse is not None:
        return "torch returns no LSE"
    if call.lengths is not None:
        return _why_not_varlen(call)
    if call.mask is not None and call.causal:
        return "torch takes a mask or is_causal, not both"
    if call.mask is not None and call.mask.dtype not in (torch.bool, call.query.dtype):
        return f"torch takes no mask of {call.mask.dtype} with {call.query.dtype}"
    if call.causal and dims(call.query, call.nhd).rows != dims(call.key, call.nhd).rows:
        return "torch aligns causal masks of unequal lengths in another way on each backend"
    return ""


def _why_not_varlen(call: Call) -> str:
    if call.mask is not None:
        return "torch takes no mask for sequences of different lengths"
    if not hasattr(torch.ops.aten, "_flash_attention_forward"):
        return f"torch {torch.__version__} has no operator for sequences of different lengths"
    if call.query.shape[-1] % 8:
        return "torch's operator takes head dims that are multiples of 8"
    if call.causal and not call.same_lengths:
        return "torch aligns causal masks of unequal lengths to the right"
    return ""


def plan(call: Call) -> Plan:
    """A plan that hands a call over. Raises ValueError if why_not() names a reason."""
    reason = why_not(call)
    if reason:
        raise ValueError(reason)
    return functools.partial(_varlen if call.lengths else _dense, call)


def _dense(
    call: Call,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *_: torch.Tensor | None,
) -> Pair:
    if call.nhd:
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    options: dict[str, Any] = {}
    if query.shape[1] != key.shape[1]:
        # With a mask, torch's fast backends take no groups.
        if _ENABLE_GQA and mask is None:
            options["enable_gqa"] = True
        else:
            group = query.shape[1] // key.shape[1]
            key, value = (x.repeat_interleave(group, 1) for x in (key, value))
    with _plainly():
        output = attention(
            query, key, value, mask, 0.0, bool(call.causal), scale=call.sm_scale, **options
        )
        if mask is not None:
            output = output.masked_fill(~_sees_a_key(mask), 0.0)
    if call.nhd:
        output = output.transpose(1, 2)
    return output.contiguous(), query.new_empty(0, dtype=torch.float32)


def _sees_a_key(mask: torch.Tensor) -> torch.Tensor:
    """Whether a row sees any key, [..., rows, 1]. Of rows that see none, each backend of torch makes something else."""
    seen = mask if mask.dtype == torch.bool else mask != float("-inf")
    return seen.any(-1, keepdim=True)


def _varlen(
    call: Call,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _: torch.Tensor | None,
    *starts: torch.Tensor | None,
) -> Pair:
    rows = (lengths.rows for lengths in call.lengths or ())
    output, *_rest = torch.ops.aten._flash_attention_forward(
        query, key, value, *starts, *rows, 0.0, bool(call.causal), False, scale=call.sm_scale
    )
    return output.contiguous(), query.new_empty(0, dtype=torch.float32)


@contextlib.contextmanager
def _without_autocast() -> Iterator[None]:
    with torch.no_grad(), torch.autocast("cuda", enabled=False):
        yield


def _plainly() -> contextlib.AbstractContextManager[Any]:
    """No gradient; and no autocast, which would give the output its own dtype."""
    return _without_autocast() if torch.is_autocast_enabled("cuda") else torch.no_grad()
