"""Calls the C library for tensors: fills the parameter structs and launches on the current stream.

Outputs are allocated by the caller. The caller's current device stays as it is: the library gets the
ordinal of the device that owns the tensors, and that device's current stream.
"""

from __future__ import annotations

import ctypes

import torch

from . import _abi
from ._library import check, library
from ._shapes import DTYPES, dims


def _view(tensor: torch.Tensor, nhd: bool) -> _abi.Tensor:
    batch, second, third, _ = tensor.stride()
    heads, rows = (third, second) if nhd else (second, third)
    return _abi.Tensor(tensor.data_ptr(), batch, heads, rows)


def _pointer(tensor: torch.Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _run(name: str, params: ctypes.Structure, device: torch.device) -> None:
    # torch.cuda.current_stream builds a Python object each time; a launch only needs the handle.
    stream = torch._C._cuda_getCurrentRawStream(device.index)
    status = getattr(library(), name)(ctypes.byref(params), device.index, stream)
    if status:
        check(status)


def mean(tensor: torch.Tensor, output: torch.Tensor, nhd: bool) -> None:
    """Writes the mean over rows to output, float32 [batch, heads, head_dim]."""
    sizes = dims(tensor, nhd)
    params = _abi.MeanParams(
        ctypes.sizeof(_abi.MeanParams),
        _view(tensor, nhd),
        output.data_ptr(),
        None,
        *sizes,
        DTYPES[tensor.dtype],
    )
    _run("sageattn_mean", params, tensor.device)


def quantize(
    tensor: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    mean: torch.Tensor | None,
    mean_dot: torch.Tensor | None,
    nhd: bool,
    operand: int,
    granularity: int,
) -> None:
    """Writes int8 output, float32 scale and, for queries, float32 mean_dot."""
    batch, heads, rows, head_dim = dims(tensor, nhd)
    key_heads = heads if mean is None else mean.shape[1]
    params = _abi.QuantizeParams(
        ctypes.sizeof(_abi.QuantizeParams),
        _view(tensor, nhd),
        _view(output, nhd),
        scale.data_ptr(),
        _pointer(mean),
        _pointer(mean_dot),
        None,
        batch,
        heads,
        key_heads,
        rows,
        0,
        head_dim,
        DTYPES[tensor.dtype],
        operand,
        granularity,
    )
    _run("sageattn_quantize", params, tensor.device)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    mean_dot: torch.Tensor | None,
    output: torch.Tensor,
    lse: torch.Tensor | None,
    nhd: bool,
    granularity: int,
    sm_scale: float,
    is_causal: bool,
) -> None:
    """Writes output in value's dtype and, if given, lse, float32 [batch, query heads, query rows]."""
    batch, query_heads, query_rows, head_dim = dims(query, nhd)
    _, key_heads, key_rows, _ = dims(key, nhd)
    params = _abi.AttentionParams(
        size=ctypes.sizeof(_abi.AttentionParams),
        query=_view(query, nhd),
        key=_view(key, nhd),
        value=_view(value, nhd),
        output=_view(output, nhd),
        query_scale=query_scale.data_ptr(),
        key_scale=key_scale.data_ptr(),
        mean_dot=_pointer(mean_dot),
        lse=_pointer(lse),
        batch=batch,
        query_heads=query_heads,
        key_heads=key_heads,
        query_rows=query_rows,
        key_rows=key_rows,
        head_dim=head_dim,
        sm_scale=sm_scale,
        causal=_abi.CAUSAL_TOP_LEFT if is_causal else _abi.NOT_CAUSAL,
        granularity=granularity,
        value_dtype=DTYPES[value.dtype],
        output_dtype=DTYPES[output.dtype],
    )
    _run("sageattn_attention", params, query.device)
