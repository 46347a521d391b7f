"""Operators in torch's registry: torch.ops.sageattention.{mean, quantize_query, quantize_key, quantize_value,
attention, forward, forward_varlen}.

They are defined through torch.library.Library rather than custom_op, which costs three times as much per
call. Each operator is one function that checks and allocates, shared by the CUDA implementation and the
fake, and one that launches; so shapes under torch.compile are those of the real thing by construction.

Layouts: nhd=False is [batch, heads, rows, head_dim], nhd=True is [batch, rows, heads, head_dim].
granularity: 1 per block, 2 per warp, 3 per thread. causal: 0 no, 1 top left, 2 bottom right. method: see
_dispatch. accumulation: 0 float32, 1 float16 within a key tile. An output that was not asked for is empty.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from . import _abi, _dispatch, _launch, _run, _shapes
from ._launch import Lengths
from ._shapes import Blocks, new_float32, new_lse

_Pair = tuple[torch.Tensor, torch.Tensor]
_Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

NAMESPACE = "sageattention"
SCHEMAS = {
    "mean": "(Tensor input, bool nhd) -> Tensor",
    "quantize_query": "(Tensor query, Tensor? key_mean, bool nhd, int granularity,"
    " int block_rows=128, int warp_rows=32) -> (Tensor, Tensor, Tensor)",
    "quantize_key": "(Tensor key, Tensor? mean, bool nhd, int granularity, int block_rows=64)"
    " -> (Tensor, Tensor)",
    "quantize_value": "(Tensor value, bool nhd, float scale_max, bool smooth)"
    " -> (Tensor, Tensor, Tensor)",
    "attention": "(Tensor query, Tensor key, Tensor value, Tensor query_scale, Tensor key_scale,"
    " Tensor? mean_dot, bool nhd, int granularity, float sm_scale, int causal, bool return_lse,"
    " Tensor? mask=None, int accumulation=0) -> (Tensor, Tensor)",
    "forward": "(Tensor query, Tensor key, Tensor value, Tensor? mask, bool nhd, int causal,"
    " float sm_scale, str method, int granularity, bool smooth_k, bool return_lse)"
    " -> (Tensor, Tensor)",
    "forward_varlen": "(Tensor query, Tensor key, Tensor value, Tensor? mask, Tensor query_starts,"
    " Tensor key_starts, SymInt query_rows, SymInt key_rows, int causal, float sm_scale, str method,"
    " int granularity, bool smooth_k, bool return_lse) -> (Tensor, Tensor)",
}


def _contiguous(like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(like.shape, dtype=dtype, device=like.device)


# mean: float32 [batch, heads, head_dim]


def _new_mean(tensor: torch.Tensor, nhd: bool) -> torch.Tensor:
    sizes = _shapes.check_quantizable(tensor, nhd)
    return new_float32(tensor, sizes.batch, sizes.heads, sizes.head_dim)


def _mean(tensor: torch.Tensor, nhd: bool) -> torch.Tensor:
    output = _new_mean(tensor, nhd)
    if tensor.numel():
        _launch.mean(tensor, output, nhd)
    return output


# quantize_query: int8 like query, float32 scales, float32 query . mean of its key head


def _new_query(
    query: torch.Tensor,
    key_mean: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    block_rows: int = _abi.QUERY_BLOCK,
    warp_rows: int = _abi.QUERY_WARP,
) -> _Triple:
    sizes, blocks = _shapes.check_quantizable(query, nhd), Blocks(block_rows, warp_rows)
    _shapes.check_blocks(blocks)
    if key_mean is not None:
        key_heads = key_mean.shape[1]
        _shapes.check_groups(sizes.heads, key_heads)
        _shapes.check_float32("key_mean", key_mean, (sizes.batch, key_heads, sizes.head_dim))
        _shapes.check_same_device(query, key_mean)
    count = _shapes.scale_count(_abi.QUERY, granularity, sizes.rows, blocks)
    return (
        _contiguous(query, torch.int8),
        new_float32(query, sizes.batch, sizes.heads, count),
        new_lse(query, nhd, key_mean is not None),
    )


def _quantize_query(
    query: torch.Tensor,
    key_mean: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    block_rows: int = _abi.QUERY_BLOCK,
    warp_rows: int = _abi.QUERY_WARP,
) -> _Triple:
    output, scale, mean_dot = _new_query(query, key_mean, nhd, granularity, block_rows, warp_rows)
    if query.numel():
        dot = None if key_mean is None else mean_dot
        blocks = Blocks(block_rows, warp_rows)
        _launch.quantize(query, output, scale, key_mean, dot, nhd, _abi.QUERY, granularity, blocks)
    return output, scale, mean_dot


# quantize_key: int8 like key, float32 scales


def _new_key(
    key: torch.Tensor,
    mean: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    block_rows: int = _abi.KEY_BLOCK,
) -> _Pair:
    sizes, blocks = _shapes.check_quantizable(key, nhd), Blocks(key=block_rows)
    _shapes.check_blocks(blocks)
    if mean is not None:
        _shapes.check_float32("mean", mean, (sizes.batch, sizes.heads, sizes.head_dim))
        _shapes.check_same_device(key, mean)
    count = _shapes.scale_count(_abi.KEY, granularity, sizes.rows, blocks)
    return _contiguous(key, torch.int8), new_float32(key, sizes.batch, sizes.heads, count)


def _quantize_key(
    key: torch.Tensor,
    mean: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    block_rows: int = _abi.KEY_BLOCK,
) -> _Pair:
    output, scale = _new_key(key, mean, nhd, granularity, block_rows)
    if key.numel():
        blocks = Blocks(key=block_rows)
        _launch.quantize(key, output, scale, mean, None, nhd, _abi.KEY, granularity, blocks)
    return output, scale


# quantize_value: E4M3, transposed, keys permuted and padded; float32 scale and mean [batch, heads, head_dim]


def _new_value(value: torch.Tensor, nhd: bool, scale_max: float, smooth: bool) -> _Triple:
    _shapes.check_quantizable(value, nhd)
    if not 0 < scale_max <= 448:
        raise ValueError(f"scale_max is {scale_max}, it must be above 0 and at most 448")
    output, scale, mean = _run.new_fp8(value, nhd, smooth)
    return output, scale, new_float32(value, 0) if mean is None else mean


def _quantize_value(value: torch.Tensor, nhd: bool, scale_max: float, smooth: bool) -> _Triple:
    output, scale, mean = _new_value(value, nhd, scale_max, smooth)
    if value.numel():
        _launch.quantize_value(value, output, scale, mean if smooth else None, nhd, scale_max)
    return output, scale, mean


# attention on quantised queries and keys: output like query in value's dtype, natural logarithm LSE


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
    causal: int,
    return_lse: bool,
    mask: torch.Tensor | None = None,
    accumulation: int = _abi.ACCUMULATE_FLOAT32,
) -> _Pair:
    q, k = _shapes.check_int8(query, nhd), _shapes.check_int8(key, nhd)
    _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
    _shapes.check_same_device(query, key, value, query_scale, key_scale, mean_dot, mask)
    query_scales = _shapes.scale_count(_abi.QUERY, granularity, q.rows)
    key_scales = _shapes.scale_count(_abi.KEY, granularity, k.rows)
    _shapes.check_float32("query_scale", query_scale, (q.batch, q.heads, query_scales))
    _shapes.check_float32("key_scale", key_scale, (k.batch, k.heads, key_scales))
    if mean_dot is not None:
        _shapes.check_float32("mean_dot", mean_dot, (q.batch, q.heads, q.rows))
    if mask is not None:
        _shapes.check_mask(mask, (q.batch, q.heads, q.rows, k.rows))
    return _contiguous(query, value.dtype), new_lse(query, nhd, return_lse)


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
    causal: int,
    return_lse: bool,
    mask: torch.Tensor | None = None,
    accumulation: int = _abi.ACCUMULATE_FLOAT32,
) -> _Pair:
    output, lse = _new_attention(
        query, key, value, query_scale, key_scale, mean_dot,
        nhd, granularity, sm_scale, causal, return_lse, mask, accumulation,
    )  # fmt: skip
    if _has_work(key, output, lse):
        _launch.attention(
            query, key, value, query_scale, key_scale, output,
            nhd=nhd, granularity=granularity, sm_scale=sm_scale, causal=causal, mean_dot=mean_dot,
            lse=lse if return_lse else None, mask=_expand(mask, query, key, nhd),
            accumulation=accumulation,
        )  # fmt: skip
    return output, lse


def _expand(
    mask: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor, nhd: bool
) -> torch.Tensor | None:
    if mask is None:
        return None
    q, k = _shapes.dims(query, nhd), _shapes.dims(key, nhd)
    return mask.expand(q.batch, q.heads, q.rows, k.rows)


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
    mask: torch.Tensor | None,
    nhd: bool,
    causal: int,
    sm_scale: float,
    method: str,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    q, k = _shapes.check_quantizable(query, nhd), _shapes.check_quantizable(key, nhd)
    _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
    _shapes.check_same_device(query, key, value, mask)
    _check_method(method)
    if mask is not None:
        _shapes.check_mask(mask, (q.batch, q.heads, q.rows, k.rows))
    return _contiguous(query, query.dtype), new_lse(query, nhd, return_lse)


def _check_method(method: str) -> None:
    if not _dispatch.known(method):
        raise ValueError(f"unknown method {method}, it must be one of {_dispatch.METHODS}")


def _forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    nhd: bool,
    causal: int,
    sm_scale: float,
    method: str,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    output, lse = _new_forward(
        query, key, value, mask, nhd, causal, sm_scale, method, granularity, smooth_k, return_lse
    )
    if not _has_work(key, output, lse):
        return output, lse
    call = _run.Call(
        query, key, value, output, lse if return_lse else None, _expand(mask, query, key, nhd),
        nhd, causal, sm_scale, granularity, smooth_k,
    )  # fmt: skip
    return _run.run(call, method)


# forward_varlen: sequences behind each other, [rows of all, heads, head_dim]; LSE [query heads, rows of all]


def _new_varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    query_starts: torch.Tensor,
    key_starts: torch.Tensor,
    query_rows: int,
    key_rows: int,
    causal: int,
    sm_scale: float,
    method: str,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    q, k, v = (_shapes.check_quantizable(x.unsqueeze(0), nhd=True) for x in (query, key, value))
    _shapes.check_attention(q, k, v)
    _shapes.check_same_device(query, key, value, mask, query_starts, key_starts)
    batch = _shapes.check_starts("cu_seqlens_q", query_starts)
    if _shapes.check_starts("cu_seqlens_k", key_starts) != batch:
        raise ValueError("cu_seqlens_q and cu_seqlens_k differ in length")
    _check_method(method)
    if mask is not None:
        _shapes.check_mask(mask, (batch, q.heads, query_rows, key_rows))
    lse = new_float32(query, q.heads, q.rows) if return_lse else new_float32(query, 0)
    return _contiguous(query, query.dtype), lse


def _forward_varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    query_starts: torch.Tensor,
    key_starts: torch.Tensor,
    query_rows: int,
    key_rows: int,
    causal: int,
    sm_scale: float,
    method: str,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> _Pair:
    output, lse = _new_varlen(
        query, key, value, mask, query_starts, key_starts, query_rows, key_rows,
        causal, sm_scale, method, granularity, smooth_k, return_lse,
    )  # fmt: skip
    if not _has_work(key, output, lse):
        return output, lse
    lengths = Lengths(query_starts, query_rows), Lengths(key_starts, key_rows)
    if mask is not None:
        mask = mask.expand(lengths[0].batch, query.shape[1], query_rows, key_rows)
    call = _run.Call(
        query[None], key[None], value[None], output[None], lse[None] if return_lse else None, mask,
        True, causal, sm_scale, granularity, smooth_k, lengths,
    )  # fmt: skip
    output, lse = _run.run(call, method)
    return (output if output.dim() == 3 else output[0]), (lse[0] if lse.dim() == 3 else lse)


# name -> (CUDA implementation, fake)
_IMPLEMENTATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "mean": (_mean, _new_mean),
    "quantize_query": (_quantize_query, _new_query),
    "quantize_key": (_quantize_key, _new_key),
    "quantize_value": (_quantize_value, _new_value),
    "attention": (_attention, _new_attention),
    "forward": (_forward, _new_forward),
    "forward_varlen": (_forward_varlen, _new_varlen),
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
