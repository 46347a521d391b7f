"""Attention by the Triton kernels, for _triton.py: quantises, attends, corrects the LSE."""

from __future__ import annotations

import math
from typing import Callable, NamedTuple

import torch

from .._errors import InputError
from .._shapes import MASK_DTYPES, check_groups, check_same_dtype
from . import _launch
from ._again import Again
from ._launch import KEY_BLOCK, QUERY_BLOCK, Groups, Rows, Scales, dense, varlen

_LOG2E = math.log2(math.e)
_DTYPES = (torch.float16, torch.bfloat16)


class Launches(NamedTuple):
    """What a dense call launched, to launch it again; bytes: of INT8 queries, their scales, INT8 keys, their scales."""

    query: Again
    key: Again
    attention: Again
    bytes: tuple[int, ...]


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    nhd: bool,
    causal: int,
    sm_scale: float,
    smooth_k: bool,
    attn_mask: torch.Tensor | None = None,
    return_lse: bool = False,
    keep: Callable[[Launches], None] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output in q's dtype, contiguous in the given layout, and the LSE (empty unless return_lse).

    q, k and v are float16 or bfloat16 [batch, heads, rows, head_dim], or with nhd [batch, rows,
    heads, head_dim], with a contiguous head dim of at most 256; query heads are a multiple of key
    heads. causal: 0 none, 1 top left (query i sees keys 0 to i), 2 bottom right (0 to
    i + key rows - query rows). attn_mask, which broadcasts to [batch, query heads, query rows, key rows], is
    bool (False is not seen) or float, added to sm_scale * q . k; attn_mask and causal hold
    together. The LSE is the natural logarithm of the softmax denominators, float32 [batch, query
    heads, query rows]. A query that sees no key gives 0 and -infinity. keep is called with the launches, if they can
    be repeated.

    Inputs are not written, and nothing waits for the GPU. Raises ValueError for shapes and dtypes,
    InputError for dtypes that differ and a mask that does not broadcast.
    """
    query, key, value = dense(q, nhd), dense(k, nhd), dense(v, nhd)
    _check(query, key, value)
    if query.batch != key.batch:
        raise ValueError(f"query has batch {query.batch}, key has {key.batch}")
    mask = None if attn_mask is None else expanded(attn_mask, query, key)
    mean = k.mean(1 if nhd else 2, dtype=torch.float32) if smooth_k and key.rows else None
    dot = _mean_dot(query) if return_lse and mean is not None else None
    q_int8, q_scales, first = _quantized(query, nhd, QUERY_BLOCK, sm_scale * _LOG2E, None if dot is None else mean, dot)
    k_int8, k_scales, second = _quantized(key, nhd, KEY_BLOCK, 1.0, mean)
    output = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    shape = (query.batch, query.heads, query.rows) if return_lse else (0,)
    lse = torch.empty(shape, dtype=torch.float32, device=q.device)
    third = _launch.attend(
        q_int8,
        k_int8,
        value,
        dense(output, nhd),
        q_scales,
        k_scales,
        causal,
        mask,
        lse if return_lse else None,
    )
    if keep and first and second and third:
        sizes = [x.tensor.numel() * x.tensor.element_size() for x in (q_int8, q_scales, k_int8, k_scales)]
        keep(Launches(first, second, third, tuple(sizes)))
    if return_lse:
        lse /= _LOG2E
    if dot is not None:
        lse += sm_scale * dot
    return output, lse


def attention_varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    causal: int,
    sm_scale: float,
    smooth_k: bool,
) -> torch.Tensor:
    """Attention of each sequence to itself: contiguous output like q [total query rows, heads, head_dim].

    cu_seqlens_q and cu_seqlens_k, int32 or int64 [sequences + 1] on the device, say where the sequences
    start in q, and in k and v [total key rows, key heads, head_dim]; the host does not read them.
    Rows after the last sequence get undefined output. Each sequence's keys are smoothed by their own mean.
    causal, sm_scale, dtypes and errors as in attention; a sequence without keys gives 0.
    """
    query = varlen(q, cu_seqlens_q, max_seqlen_q)
    key, value = varlen(k, cu_seqlens_k, max_seqlen_k), varlen(v, cu_seqlens_k, max_seqlen_k)
    _check(query, key, value)
    if query.batch != key.batch:
        raise ValueError(f"cu_seqlens_q has {query.batch} sequences, cu_seqlens_k {key.batch}")
    q_int8, q_scales = quantized_query(query, True, sm_scale)
    k_int8, k_scales = quantized_key(key, True, _launch.mean(key) if smooth_k else None)
    output = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    target = varlen(output, cu_seqlens_q, max_seqlen_q)
    _launch.attend(q_int8, k_int8, value, target, q_scales, k_scales, causal)
    return output


def quantized_query(
    query: Rows,
    nhd: bool,
    sm_scale: float,
    key_mean: torch.Tensor | None = None,
    mean_dot: torch.Tensor | None = None,
    block: int = QUERY_BLOCK,
) -> tuple[Rows, Scales]:
    """INT8 queries and one scale per block of rows times sm_scale * log2(e); fills mean_dot if given."""
    mean = None if mean_dot is None else key_mean
    return _quantized(query, nhd, block, sm_scale * _LOG2E, mean, mean_dot)[:2]


def quantized_key(
    key: Rows, nhd: bool, mean: torch.Tensor | None = None, block: int = KEY_BLOCK
) -> tuple[Rows, Scales]:
    """INT8 keys less their mean, contiguous float32 [batch, heads, head_dim]; a scale per block of rows."""
    return _quantized(key, nhd, block, 1.0, mean)[:2]


def _quantized(
    rows: Rows,
    nhd: bool,
    block: int,
    factor: float,
    mean: torch.Tensor | None = None,
    mean_dot: torch.Tensor | None = None,
) -> tuple[Rows, Scales, Again | None]:
    """As _launch.quantize, into new tensors; and what launches that again."""
    scales = _launch.new_scales(rows, block)
    output = _launch.like(rows, _launch.new_int8(rows), nhd)
    return output, scales, _launch.quantize(rows, output, scales, Groups(block), factor, mean, mean_dot)


def _mean_dot(query: Rows) -> torch.Tensor:
    shape = (query.batch, query.heads, query.rows)
    return torch.empty(shape, dtype=torch.float32, device=query.tensor.device)


def _check(query: Rows, key: Rows, value: Rows) -> None:
    if key.tensor.shape != value.tensor.shape:
        shapes = f"{tuple(key.tensor.shape)} and {tuple(value.tensor.shape)}"
        raise ValueError(f"key and value differ in shape: {shapes}")
    if query.head_dim != key.head_dim:
        raise ValueError(f"query has head_dim {query.head_dim}, key has {key.head_dim}")
    check_groups(query.heads, key.heads)
    for rows in (query, key, value):
        if rows.tensor.dtype not in _DTYPES:
            raise ValueError(f"expected float16 or bfloat16, got {rows.tensor.dtype}")
    check_same_dtype(query.tensor, key.tensor, value.tensor)


def expanded(mask: torch.Tensor, query: Rows, key: Rows) -> torch.Tensor:
    """mask as [batch, query heads, query rows, key rows], bool or float. Raises InputError."""
    target = (query.batch, query.heads, query.rows, key.rows)
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise InputError(f"attn_mask must be bool or float, got {mask.dtype}.")
    try:
        mask = mask.expand(target)
    except RuntimeError as error:
        shape = tuple(mask.shape)
        raise InputError(f"attn_mask of shape {shape} cannot be broadcast to {target}.") from error
    return mask if mask.dtype in MASK_DTYPES else mask.float()
