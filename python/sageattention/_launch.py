"""Calls the C library for tensors: fills the parameter structs and launches on the current stream.

Outputs are allocated by the caller. The caller's current device stays as it is: the library gets the
ordinal of the device that owns the tensors, and that device's current stream.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from . import _abi
from ._call import Lengths
from ._kinds import Kind
from ._library import check, library
from ._shapes import BLOCKS, DTYPES, MASK_DTYPES, Blocks, dims

VALUE_DTYPES = {**DTYPES, torch.float8_e4m3fn: _abi.FLOAT8_E4M3}


def view(tensor: torch.Tensor, nhd: bool) -> _abi.Tensor:
    """The tensor as the library takes it, in the layout that it has."""
    batch, second, third, _ = tensor.stride()
    heads, rows = (third, second) if nhd else (second, third)
    return _abi.Tensor(tensor.data_ptr(), batch, heads, rows)


def _pointer(tensor: torch.Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _starts(lengths: Lengths | None) -> int | None:
    return None if lengths is None else lengths.starts.data_ptr()


def run(function: Any, params: ctypes.Structure, device: torch.device) -> None:
    """Calls a function of the library on the device's current stream. Raises what its status says."""
    # torch.cuda.current_stream builds a Python object each time; a launch only needs the handle.
    stream = torch._C._cuda_getCurrentRawStream(device.index)
    status = function(ctypes.byref(params), device.index, stream)
    if status:
        check(status)


def mean(
    tensor: torch.Tensor, output: torch.Tensor, nhd: bool, lengths: Lengths | None = None
) -> None:
    """Writes the mean over rows to output, float32 [batch, heads, head_dim]."""
    batch, heads, rows, head_dim = dims(tensor, nhd)
    params = _abi.MeanParams(
        ctypes.sizeof(_abi.MeanParams),
        view(tensor, nhd),
        output.data_ptr(),
        _starts(lengths),
        batch if lengths is None else lengths.batch,
        heads,
        rows if lengths is None else lengths.rows,
        head_dim,
        DTYPES[tensor.dtype],
    )
    run(library().sageattn_mean, params, tensor.device)


def quantize(
    tensor: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    mean: torch.Tensor | None,
    mean_dot: torch.Tensor | None,
    nhd: bool,
    operand: int,
    granularity: int,
    blocks: Blocks = BLOCKS,
    lengths: Lengths | None = None,
) -> None:
    """Writes int8 output, float32 scale and, for queries, float32 mean_dot."""
    batch, heads, rows, head_dim = dims(tensor, nhd)
    query = operand == _abi.QUERY
    params = _abi.QuantizeParams(
        ctypes.sizeof(_abi.QuantizeParams),
        view(tensor, nhd),
        view(output, nhd),
        scale.data_ptr(),
        _pointer(mean),
        _pointer(mean_dot),
        _starts(lengths),
        batch if lengths is None else lengths.batch,
        heads,
        heads if mean is None else mean.shape[1],
        rows if lengths is None else lengths.rows,
        rows,
        head_dim,
        DTYPES[tensor.dtype],
        operand,
        granularity,
        blocks.query if query else blocks.key,
        blocks.warp if query else 0,
    )
    run(library().sageattn_quantize, params, tensor.device)


def quantize_value(
    value: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    mean: torch.Tensor | None,
    nhd: bool,
    scale_max: float,
) -> None:
    """Writes E4M3 output, HND [batch, heads, head_dim, keys] or NHD [batch, head_dim, heads, keys].

    keys are a multiple of 64. scale and, to smooth, mean are float32 [batch, heads, head_dim].
    """
    sizes = dims(value, nhd)
    count = library().sageattn_value_workspace(*sizes)
    workspace = torch.empty(max(count, 0), dtype=torch.float32, device=value.device)
    params = _abi.QuantizeValueParams(
        ctypes.sizeof(_abi.QuantizeValueParams),
        view(value, nhd),
        view(output, nhd),
        scale.data_ptr(),
        _pointer(mean),
        workspace.data_ptr(),
        sizes.batch,
        sizes.heads,
        sizes.rows,
        output.shape[-1],
        sizes.head_dim,
        scale_max,
        DTYPES[value.dtype],
        mean is not None,
    )
    run(library().sageattn_quantize_value, params, value.device)


def attention(
    kind: Kind,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    output: torch.Tensor,
    *,
    nhd: bool,
    granularity: int,
    sm_scale: float,
    causal: int,
    mean_dot: torch.Tensor | None = None,
    lse: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    value_scale: torch.Tensor | None = None,
    value_mean: torch.Tensor | None = None,
    blocks: Blocks = BLOCKS,
    lengths: tuple[Lengths, Lengths] | None = None,
) -> None:
    """Writes output and, if given, lse, float32 [batch, query heads, query rows], by kernels of a kind.

    value is what the kind takes: 16-bit like key, or E4M3 as quantize_value wrote it, with its scale and mean. mask is
    expanded: [batch, query heads, query rows, key rows]. lengths: of queries and keys.
    """
    batch, query_heads, query_rows, head_dim = dims(query, nhd)
    _, key_heads, key_rows, _ = dims(key, nhd)
    fields: dict[str, Any] = {
        "size": ctypes.sizeof(_abi.AttentionParams),
        "query": view(query, nhd),
        "key": view(key, nhd),
        "value": view(value, nhd),
        "output": view(output, nhd),
        "query_scale": query_scale.data_ptr(),
        "key_scale": key_scale.data_ptr(),
        "mean_dot": _pointer(mean_dot),
        "value_scale": _pointer(value_scale),
        "value_mean": _pointer(value_mean),
        "lse": _pointer(lse),
        "batch": batch,
        "query_heads": query_heads,
        "key_heads": key_heads,
        "query_rows": query_rows,
        "key_rows": key_rows,
        "head_dim": head_dim,
        "sm_scale": sm_scale,
        "causal": causal,
        "granularity": granularity,
        "kind": kind.number,
        "value_dtype": VALUE_DTYPES[value.dtype],
        "output_dtype": DTYPES[output.dtype],
        "query_block_rows": blocks.query,
        "query_warp_rows": blocks.warp,
        "key_block_rows": blocks.key,
    }
    fields.update(_mask_fields(mask))
    fields.update(_length_fields(lengths, query_rows, key_rows))
    run(library().sageattn_attention, _abi.AttentionParams(**fields), query.device)


def _mask_fields(mask: torch.Tensor | None) -> dict[str, Any]:
    if mask is None:
        return {}
    return {
        "mask": view(mask, nhd=False),
        "mask_column_stride": mask.stride(-1),
        "mask_dtype": MASK_DTYPES[mask.dtype],
    }


def _length_fields(
    lengths: tuple[Lengths, Lengths] | None, query_rows: int, key_rows: int
) -> dict[str, Any]:
    """Fields that replace those of a batch of 1, whose rows are those of all sequences."""
    if lengths is None:
        return {}
    query, key = lengths
    return {
        "query_starts": query.starts.data_ptr(),
        "key_starts": key.starts.data_ptr(),
        "batch": query.batch,
        "query_rows": query.rows,
        "key_rows": key.rows,
        "total_query_rows": query_rows,
        "total_key_rows": key_rows,
    }
