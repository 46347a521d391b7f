"""The kernels of SM 9.0 by wgmma: one step, which quantises 16-bit operands into a workspace and attends."""

from __future__ import annotations

import ctypes

from . import _abi
from ._call import Call, Lengths, mask_strides
from ._launch import view
from ._library import check, library
from ._operand import Operand
from ._plan import Step, Workspace
from ._shapes import DTYPES, MASK_DTYPES, dims


def params(call: Call) -> _abi.WgmmaParams:
    """The parameters of a call, without workspace."""
    query, key, value, output, lse, mask, nhd, *_ = call
    batch, query_heads, query_rows, head_dim = dims(query, nhd)
    _, key_heads, key_rows, _ = dims(key, nhd)
    filled = _abi.WgmmaParams(
        ctypes.sizeof(_abi.WgmmaParams),
        view(query, nhd),
        view(key, nhd),
        view(value, nhd),
        view(output, nhd),
        lse=None if lse is None else lse.data_ptr(),
        batch=batch,
        query_heads=query_heads,
        key_heads=key_heads,
        query_rows=query_rows,
        key_rows=key_rows,
        head_dim=head_dim,
        sm_scale=call.sm_scale,
        causal=call.causal,
        smooth_k=call.smooth_k,
        dtype=DTYPES[query.dtype],
        output_dtype=DTYPES[output.dtype],
        steps=_abi.WGMMA_ALL,
    )
    if call.lengths is not None:
        _enter_lengths(filled, *call.lengths)
    if mask is not None:
        _enter_mask(filled, mask)
    return filled


def _enter_lengths(params: _abi.WgmmaParams, queries: Lengths, keys: Lengths) -> None:
    params.batch = queries.batch
    params.total_query_rows, params.total_key_rows = params.query_rows, params.key_rows
    params.query_starts, params.query_rows = queries.starts.data_ptr(), queries.rows
    params.key_starts, params.key_rows = keys.starts.data_ptr(), keys.rows


def _enter_mask(params: _abi.WgmmaParams, mask: Operand) -> None:
    *strides, params.mask_column_stride = mask_strides(mask)
    params.mask = _abi.Tensor(mask.data_ptr(), *strides)
    params.mask_dtype = MASK_DTYPES[mask.dtype]


def workspace_size(params: _abi.WgmmaParams) -> int:
    """Bytes that a call needs. Raises ValueError for bad params."""
    size = int(library().sageattn_wgmma_workspace(ctypes.byref(params)))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    return size


def step(call: Call, workspace: Workspace) -> Step:
    """Writes the output and, if wanted, the LSE."""
    filled = params(call)
    size = workspace_size(filled)
    filled.workspace, filled.workspace_size = workspace.bytes(size), size
    return Step(_abi.RUN_WGMMA_ATTENTION, filled)
