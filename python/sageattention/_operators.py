"""Operators in torch's registry: torch.ops.sageattention.{mean, quantize_query, quantize_key, attention, forward}.

They are defined through torch.library.Library rather than custom_op, which costs three times as much per
call. Each operator is one function that checks and allocates, shared by the CUDA implementation and the
fake, and one that launches; so shapes under torch.compile are those of the real thing by construction.

Layouts: nhd=False is [batch, heads, rows, head_dim], nhd=True is [batch, rows, heads, head_dim].
granularity: 1 per block, 2 per warp, 3 per thread. An output that was not asked for is an empty tensor.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from . import _abi, _launch, _shapes
from ._shapes import Dims

_Pair = tuple[torch.Tensor, torch.Tensor]
_Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

NAMESPACE = "sageattention"
SCHEMAS = {
    "mean": "(Tensor input, bool nhd) -> Tensor",
    "quantize_query": "(Tensor query, Tensor? key_mean, bool nhd, int granularity)"
    " -> (Tensor, Tensor, Tensor)",
    "quantize_key": "(Tensor key, Tensor? mean, bool nhd, int granularity) -> (Tensor, Tensor)",
    "attention": "(Tensor query, Tensor key, Tensor value, Tensor query_scale, Tensor key_scale,"
    " Tensor? mean_dot, bool nhd, int granularity, float sm_scale, bool is_causal, bool return_lse)"
    " -> (Tensor, Tensor)",
    "forward": "(Tensor query, Tensor key, Tensor value, bool nhd, bool is_causal, float sm_scale,"
    " int granularity, bool smooth_k, bool return_lse) -> (Tensor, Tensor)",
}


def _float32(like: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.float32, device=like.device)


def _contiguous(like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(like.shape, dtype=dtype, device=like.device)


def _new_lse(query: torch.Tensor, sizes: Dims, wanted: bool) -> torch.Tensor:
    return _float32(query, sizes.batch, sizes.heads, sizes.rows) if wanted else _float32(query, 0)


# mean: float32 [batch, heads, head_dim]


def _new_mean(tensor: torch.Tensor, nhd: bool) -> torch.Tensor:
    sizes = _shapes.check_quantizable(tensor, nhd)
    return _float32(tensor, sizes.batch, sizes.heads, sizes.head_dim)


def _mean(tensor: torch.Tensor, nhd: bool) -> torch.Tensor:
    output = _new_mean(tensor, nhd)
    if tensor.numel():
        _launch.mean(tensor, output, nhd)
    return output


# quantize_query: int8 like query, float32 scales, float32 query . mean of its key head


def _new_query(
    query: torch.Tensor, key_mean: torch.Tensor | None, nhd: bool, granularity: int
) -> _Triple:
    sizes = _shapes.check_quantizable(query, nhd)
    if key_mean is not None:
        key_heads = key_mean.shape[1]
        _shapes.check_groups(sizes.heads, key_heads)
        _shapes.check_float32("key_mean", key_mean, (sizes.batch, key_heads, sizes.head_dim))
        _shapes.check_same_device(query, key_mean)
    count = _shapes.scale_count(_abi.QUERY, granularity, sizes.rows)
    return (
        _contiguous(query, torch.int8),
        _float32(query, sizes.batch, sizes.heads, count),
        _new_lse(query, sizes, key_mean is not None),
    )


def _quantize_query(
    query: torch.Tensor, key_mean: torch.Tensor | None, nhd: bool, granularity: int
) -> _Triple:
    output, scale, mean_dot = _new_query(query, key_mean, nhd, granularity)
    if query.numel():
        dot = None if key_mean is None else mean_dot
        _launch.quantize(query, output, scale, key_mean, dot, nhd, _abi.QUERY, granularity)
    return output, scale, mean_dot


# quantize_key: int8 like key, float32 scales


def _new_key(key: torch.Tensor, mean: torch.Tensor | None, nhd: bool, granularity: int) -> _Pair:
    sizes = _shapes.check_quantizable(key, nhd)
    if mean is not None:
        _shapes.check_float32("mean", mean, (sizes.batch, sizes.heads, sizes.head_dim))
        _shapes.check_same_device(key, mean)
    count = _shapes.scale_count(_abi.KEY, granularity, sizes.rows)
    return _contiguous(key, torch.int8), _float32(key, sizes.batch, sizes.heads, count)


def _quantize_key(
    key: torch.Tensor, mean: torch.Tensor | None, nhd: bool, granularity: int
) -> _Pair:
    output, scale = _new_key(key, mean, nhd, granularity)
    if key.numel():
        _launch.quantize(key, output, scale, mean, None, nhd, _abi.KEY, granularity)
    return output, scale


# attention: output like query in value's dtype, float32 natural logarithm LSE


def _new_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    mean_dot: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    sm_scale: float,
    is_causal: bool,
    return_lse: bool,
) -> _Pair:
    q, k = _shapes.check_int8(query, nhd), _shapes.check_int8(key, nhd)
    _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
    _shapes.check_same_device(query, key, value, query_scale, key_scale, mean_dot)
    query_scales = _shapes.scale_count(_abi.QUERY, granularity, q.rows)
    key_scales = _shapes.scale_count(_abi.KEY, granularity, k.rows)
    _shapes.check_float32("query_scale", query_scale, (q.batch, q.heads, query_scales))
    _shapes.check_float32("key_scale", key_scale, (k.batch, k.heads, key_scales))
    if mean_dot is not None:
        _shapes.check_float32("mean_dot", mean_dot, (q.batch, q.heads, q.rows))
    return _contiguous(query, value.dtype), _new_lse(query, q, return_lse)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    mean_dot: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    sm_scale: float,
    is_causal: bool,
    return_lse: bool,
) -> _Pair:
    output, lse = _new_attention(
        query, key, value, query_scale, key_scale, mean_dot,
        nhd, granularity, sm_scale, is_causal, return_lse,
    )  # fmt: skip
    if _has_work(key, output, lse):
        _launch.attention(
            query, key, value, query_scale, key_scale, mean_dot, output,
            lse if return_lse else None, nhd, granularity, sm_scale, is_causal,
        )  # fmt: skip
    return output, lse


def _has_work(key: torch.Tensor, output: torch.Tensor, lse: torch.Tensor) -> bool:
    """Without keys the result is known: output 0, LSE -infinity."""
    if key.numel() == 0:
        output.zero_()
        lse.fill_(float("-inf"))
    return key.numel() > 0 and output.numel() > 0


# forward: quantisation and attention


def _new_forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    nhd: bool,
    is_causal: bool,
    sm_scale: float,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    q, k = _shapes.check_quantizable(query, nhd), _shapes.check_quantizable(key, nhd)
    _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
    _shapes.check_same_device(query, key, value)
    return _contiguous(query, query.dtype), _new_lse(query, q, return_lse)


def _forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    nhd: bool,
    is_causal: bool,
    sm_scale: float,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    output, lse = _new_forward(
        query, key, value, nhd, is_causal, sm_scale, granularity, smooth_k, return_lse
    )
    if not _has_work(key, output, lse):
        return output, lse
    mean = _mean(key, nhd) if smooth_k else None
    key_int8, key_scale = _quantize_key(key, mean, nhd, granularity)
    # Only the LSE feels the subtracted mean: softmax does not.
    key_mean = mean if return_lse else None
    query_int8, query_scale, dot = _quantize_query(query, key_mean, nhd, granularity)
    _launch.attention(
        query_int8, key_int8, value, query_scale, key_scale,
        None if key_mean is None else dot, output, lse if return_lse else None,
        nhd, granularity, sm_scale, is_causal,
    )  # fmt: skip
    return output, lse


# name -> (CUDA implementation, fake)
_IMPLEMENTATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "mean": (_mean, _new_mean),
    "quantize_query": (_quantize_query, _new_query),
    "quantize_key": (_quantize_key, _new_key),
    "attention": (_attention, _new_attention),
    "forward": (_forward, _new_forward),
}


def _register() -> torch.library.Library:
    library = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]
    # Inductor may otherwise hand over operands whose head dim is not contiguous.
    tags = (torch.Tag.needs_fixed_stride_order, torch.Tag.pt2_compliant_tag)
    for name, schema in SCHEMAS.items():
        implementation, fake = _IMPLEMENTATIONS[name]
        library.define(name + schema, tags=tags)  # type: ignore[no-untyped-call]
        library.impl(name, implementation, "CUDA")  # type: ignore[no-untyped-call]
        torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=library)
    return library


# Registrations live as long as this object.
_registration = _register()
