"""Hands a call to torch's own attention: scaled_dot_product_attention, and FlashAttention's operator for sequences.

The results keep what this package promises: the layout, no gradient, the dtype under autocast. What torch computes in
another way than this package, or cannot compute, is not handed over: see why_not().
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import torch

from ._call import Call
from ._plan import Plan, Result
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
    return _varlen(call) if call.lengths else _dense(call)


def _dense(call: Call) -> Plan:
    nhd, causal = call.nhd, bool(call.causal)
    options: dict[str, Any] = {"scale": call.sm_scale}
    group = dims(call.query, nhd).heads // dims(call.key, nhd).heads
    # With a mask, torch's fast backends take no groups.
    if group > 1 and _ENABLE_GQA and call.mask is None:
        options["enable_gqa"], group = True, 1

    def run(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *_: object
    ) -> Result:
        if nhd:
            query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        if group > 1:
            key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        if mask is not None and mask.dim() < 2:  # torch wants rows and keys
            mask = torch.atleast_2d(mask)
        with _plainly(query, key, value, mask):
            output = attention(query, key, value, mask, 0.0, causal, **options)
            if mask is not None:
                output = output.masked_fill_(~_sees_a_key(mask), 0.0)
        return (output.transpose(1, 2) if nhd else output).contiguous(), None

    return run


def _sees_a_key(mask: torch.Tensor) -> torch.Tensor:
    """Whether a row sees any key, [..., rows, 1]. Of rows that see none, each backend of torch makes something else."""
    seen = mask if mask.dtype == torch.bool else mask != float("-inf")
    return seen.any(-1, keepdim=True)


def _varlen(call: Call) -> Plan:
    rows = [lengths.rows for lengths in call.lengths or ()]
    causal, scale = bool(call.causal), call.sm_scale

    def run(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: object, *starts: torch.Tensor | None
    ) -> Result:
        with _plainly(query, key, value):
            output, *_rest = torch.ops.aten._flash_attention_forward(
                query, key, value, *starts, *rows, 0.0, causal, False, scale=scale
            )
        return output.contiguous(), None

    return run


@contextlib.contextmanager
def _without_autocast() -> Iterator[None]:
    with torch.no_grad(), torch.autocast("cuda", enabled=False):
        yield


_AS_IT_IS = contextlib.nullcontext()


def _plainly(*tensors: torch.Tensor | None) -> contextlib.AbstractContextManager[Any]:
    """No gradient; and no autocast, which would give the output its own dtype."""
    if torch.is_autocast_enabled("cuda"):
        return _without_autocast()
    if not torch.is_grad_enabled():
        return _AS_IT_IS
    for tensor in tensors:
        if tensor is not None and tensor.requires_grad:
            return torch.no_grad()
    return _AS_IT_IS
