"""Fills the parameter structs of the C library for tensors, and launches on the current stream.

A function whose name ends in _params fills in, for tensors or for the operands of a plan; the function without that
ending launches too. Outputs are allocated by the caller. The caller's current device stays as it is: the library gets
the ordinal of the tensors' device and that device's current stream.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from . import _abi
from ._call import Lengths
from ._kinds import Kind
from ._library import check, library
from ._operand import Array
from ._shapes import BLOCKS, DTYPES, MASK_DTYPES, Blocks, dims, new_float32

VALUE_DTYPES = {**DTYPES, torch.float8_e4m3fn: _abi.FLOAT8_E4M3}
_NO_MASK = _abi.Tensor()


def view(tensor: Array, nhd: bool) -> _abi.Tensor:
    """The tensor, in its layout, as the library takes it."""
    batch, second, third, _ = tensor.stride()
    heads, rows = (third, second) if nhd else (second, third)
    return _abi.Tensor(tensor.data_ptr(), batch, heads, rows)


def _pointer(tensor: Array | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _starts(lengths: Lengths | None) -> int | None:
    return None if lengths is None else lengths.starts.data_ptr()


def run(function: Any, params: ctypes.Structure, device: torch.device) -> None:
    """Calls a library function on the device's current stream. Raises its status's error."""
    # torch.cuda.current_stream builds a Python object each time; a launch only needs the handle.
    stream = torch._C._cuda_getCurrentRawStream(device.index)
    status = function(ctypes.byref(params), device.index, stream)
    if status:
        check(status)


def mean(tensor: torch.Tensor, output: torch.Tensor, nhd: bool) -> None:
    """Writes the mean over rows to output, float32 [batch, heads, head_dim]."""
    run(library().sageattn_mean, mean_params(tensor, output, nhd), tensor.device)


def mean_params(
    tensor: Array, output: Array, nhd: bool, lengths: Lengths | None = None
) -> _abi.MeanParams:
    """As mean, of every sequence of these lengths."""
    batch, heads, rows, head_dim = dims(tensor, nhd)
    return _abi.MeanParams(
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
) -> None:
    """Writes int8 output, float32 scale and, for queries, float32 mean_dot."""
    params = quantize_params(
        tensor, output, scale, mean, mean_dot, nhd, operand, granularity, blocks
    )
    run(library().sageattn_quantize, params, tensor.device)


def quantize_params(
    tensor: Array,
    output: Array,
    scale: Array,
    mean: Array | None,
    mean_dot: Array | None,
    nhd: bool,
    operand: int,
    granularity: int,
    blocks: Blocks = BLOCKS,
    lengths: Lengths | None = None,
) -> _abi.QuantizeParams:
    """As quantize, of sequences of these lengths."""
    batch, heads, rows, head_dim = dims(tensor, nhd)
    query = operand == _abi.QUERY
    return _abi.QuantizeParams(
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


def quantize_value(
    value: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    mean: torch.Tensor | None,
    nhd: bool,
    scale_max: float,
) -> None:
    """Writes E4M3 output, HND [batch, heads, head_dim, keys] or NHD [batch, head_dim, heads, keys].

    keys is a multiple of 64. scale and, to smooth, mean are float32 [batch, heads, head_dim].
    """
    workspace = new_float32(value, value_workspace(value, nhd))
    params = quantize_value_params(value, output, scale, mean, workspace, nhd, scale_max)
    run(library().sageattn_quantize_value, params, value.device)


def value_workspace(value: Array, nhd: bool) -> int:
    """How many float32 quantize_value needs besides its outputs."""
    return max(int(library().sageattn_value_workspace(*dims(value, nhd))), 0)


def quantize_value_params(
    value: Array,
    output: Array,
    scale: Array,
    mean: Array | None,
    workspace: Array,
    nhd: bool,
    scale_max: float,
) -> _abi.QuantizeValueParams:
    """As quantize_value, in a workspace of value_workspace()."""
    sizes = dims(value, nhd)
    return _abi.QuantizeValueParams(
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


def attention(
    kind: Kind,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    output: torch.Tensor,
    **options: Any,
) -> None:
    """Writes output and, if given, lse by kernels of a kind; options are those of attention_params."""
    params = attention_params(
        kind, query, key, value, query_scale, key_scale, output, **options
    )
    size = attention_workspace(params)
    workspace = query.new_empty(size, dtype=torch.uint8)
    params.workspace, params.workspace_size = workspace.data_ptr() if size else None, size
    run(library().sageattn_attention, params, query.device)


def attention_workspace(params: _abi.AttentionParams) -> int:
    """Bytes that a call needs: a boolean mask becomes bits there. Raises ValueError for bad params."""
    size = int(library().sageattn_attention_workspace(ctypes.byref(params)))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    return size


def attention_params(
    kind: Kind,
    query: Array,
    key: Array,
    value: Array,
    query_scale: Array,
    key_scale: Array,
    output: Array,
    *,
    nhd: bool,
    granularity: int,
    sm_scale: float,
    causal: int,
    mean_dot: Array | None = None,
    lse: Array | None = None,
    mask: Array | None = None,
    value_scale: Array | None = None,
    value_mean: Array | None = None,
    blocks: Blocks = BLOCKS,
    lengths: tuple[Lengths, Lengths] | None = None,
) -> _abi.AttentionParams:
    """output and, if given, lse, float32 [batch, query heads, query rows], are written.

    value is 16-bit and shaped like key, or for an E4M3 kind the output of quantize_value, with its
    scale and mean. mask is expanded: [batch, query heads, query rows, key rows]. lengths are those
    of queries and keys. The workspace is left to the caller.
    """
    sizes, (_, key_heads, keys, _) = dims(query, nhd), dims(key, nhd)
    batch, query_rows, key_rows = sizes.batch, sizes.rows, keys
    if lengths is not None:  # the batch is 1, its rows those of all sequences
        batch, query_rows, key_rows = lengths[0].batch, lengths[0].rows, lengths[1].rows
    return _abi.AttentionParams(
        ctypes.sizeof(_abi.AttentionParams),
        view(query, nhd),
        view(key, nhd),
        view(value, nhd),
        view(output, nhd),
        _NO_MASK if mask is None else view(mask, nhd=False),
        0 if mask is None else mask.stride()[-1],
        None,
        0,
        query_scale.data_ptr(),
        key_scale.data_ptr(),
        _pointer(mean_dot),
        _pointer(value_scale),
        _pointer(value_mean),
        None if lengths is None else lengths[0].starts.data_ptr(),
        None if lengths is None else lengths[1].starts.data_ptr(),
        _pointer(lse),
        batch,
        sizes.heads,
        key_heads,
        query_rows,
        key_rows,
        sizes.rows,
        keys,
        sizes.head_dim,
        sm_scale,
        causal,
        granularity,
        kind.number,
        VALUE_DTYPES[value.dtype],
        DTYPES[output.dtype],
        0 if mask is None else MASK_DTYPES[mask.dtype],
        *blocks,
    )
