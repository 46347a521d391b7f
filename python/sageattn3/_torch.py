"""Calls that torch's scaled_dot_product_attention serves: what no kernel of the wheel takes on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ._core._plan import Pair, Plan

if TYPE_CHECKING:
    from ._operator import Forward

# Not torch.nn.functional's name: programs replace that one.
_sdpa: Any = torch._C._nn.scaled_dot_product_attention
_CHUNK = 1 << 26  # scores that an LSE is computed from at a time


def plan(arguments: Forward) -> Plan:
    """A plan that hands a call to torch."""

    def run(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *_: object
    ) -> Pair:
        with torch.no_grad(), torch.autocast("cuda", enabled=False):
            return attend(arguments._replace(query=query, key=key, value=value, mask=mask))

    return run


def attend(call: Forward) -> Pair:
    """Output and LSE, on any device."""
    query, key, value = (x.transpose(1, 2) if call.nhd else x for x in call[:3])
    mask = _mask(call, query.shape[2], key.shape[2])
    square = call.causal and call.mask is None and query.shape[2] == key.shape[2]
    output = _sdpa(
        query, key, value, None if square else _of_dtype(mask, query.dtype), 0.0, square,
        scale=call.sm_scale, enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    if mask is not None and not square:
        output = output.masked_fill(_hidden(mask), 0.0)
    lse = _lse(call, query, key, mask) if call.return_lse else query.new_empty(0, dtype=torch.float32)
    return (output.transpose(1, 2) if call.nhd else output).contiguous(), lse


def _of_dtype(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    return mask if mask is None or mask.dtype == torch.bool else mask.to(dtype)


def _mask(call: Forward, rows: int, keys: int) -> torch.Tensor | None:
    """The mask together with the causal one, which torch would align top left.

    It has rows: with groups of heads, torch 2.9 and newer ask a mask of keys alone for its second last dim.
    """
    mask = call.mask if call.mask is None or call.mask.dim() > 1 else torch.atleast_2d(call.mask)
    if not call.causal:
        return mask
    seen = torch.ones(rows, keys, dtype=torch.bool, device=call.query.device).tril(keys - rows)
    if mask is None:
        return seen
    return mask & seen if mask.dtype == torch.bool else mask.float().masked_fill(~seen, float("-inf"))


def _hidden(mask: torch.Tensor) -> torch.Tensor:
    """Rows that see no key, [.., rows, 1]: torch's backends give them different numbers."""
    seen = mask if mask.dtype == torch.bool else mask > float("-inf")
    return ~seen.any(-1, keepdim=True)


def _lse(call: Forward, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Natural logarithms of the softmax denominators, float32 [batch, query heads, query rows], by blocks of rows."""
    batch, heads, rows, _ = query.shape
    keys = key.float().repeat_interleave(heads // key.shape[1], 1).transpose(2, 3)
    step = max(1, _CHUNK // max(1, batch * heads * key.shape[2]))
    parts = []
    for start in range(0, rows, step):
        scores = query[:, :, start : start + step].float() @ keys * call.sm_scale
        if mask is not None:
            part = mask.expand(batch, heads, rows, key.shape[2])[:, :, start : start + step]
            hidden = part.dtype == torch.bool
            scores = scores.masked_fill(~part, float("-inf")) if hidden else scores + part.float()
        parts.append(scores.logsumexp(-1))
    return torch.cat(parts, 2)
