"""Calls written for torch's scaled_dot_product_attention, in terms of the public functions.

torch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html, that is
(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False).
"""

from __future__ import annotations

import functools
from typing import Any, Callable

import torch

_NAMES = {"query": "q", "key": "k", "value": "v"}
_ORDER = ("attn_mask", "dropout_p", "is_causal")


def takes_torchs_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets callers use torch's names and order for a function of (q, k, v, tensor_layout, …).

    The fourth argument tells the two orders apart: a layout is text, a mask is not. The function
    keeps its own signature.
    """

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        if "query" in named or "key" in named or "value" in named:
            named = _renamed(function.__name__, named)
        if len(given) > 3 and not isinstance(given[3], str):
            given, named = _ordered(function.__name__, given, named)
        return function(*given, **named)

    return call


def _renamed(function: str, named: dict[str, Any]) -> dict[str, Any]:
    """Keywords with torch's names replaced by q, k and v. Raises TypeError where both are given."""
    renamed = {}
    for name, value in named.items():
        ours = _NAMES.get(name, name)
        if ours != name and ours in named:
            raise TypeError(f"{function}() got both {ours} and {name}")
        renamed[ours] = value
    return renamed


def _ordered(
    function: str, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """q, k and v, and the other arguments by name.

    In the places where torch has dropout_p and is_causal, a bool means is_causal and a factor means
    sm_scale: in 2.2's order these two follow the layout. Raises ValueError for a mask that is no
    tensor, TypeError for too many arguments or one given twice.
    """
    mask, rest = given[3], given[4:]
    if mask is not None and not isinstance(mask, torch.Tensor):
        raise ValueError(f"Unknown tensor layout: {mask}; use 'HND' or 'NHD'")
    if len(rest) > 2:
        raise TypeError(f"{function}() takes at most 6 arguments by position after a mask")
    names = ("is_causal", "sm_scale") if rest and isinstance(rest[0], bool) else _ORDER[1:]
    merged = dict(named)
    for name, value in zip(("attn_mask", *names), (mask, *rest)):
        if name in named and not (name == "attn_mask" and value is None):
            raise TypeError(f"{function}() got multiple values for argument {name!r}")
        merged.setdefault(name, value)
    return given[:3], merged
