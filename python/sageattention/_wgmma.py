"""The kernels of SM 9.0 by wgmma: one step, which quantises 16-bit operands into a workspace and attends."""

from __future__ import annotations

import ctypes

from . import _abi
from ._call import Call
from ._launch import view
from ._library import check, library
from ._plan import Step, Workspace
from ._shapes import DTYPES, dims


def params(call: Call) -> _abi.WgmmaParams:
    """The parameters of a call, without workspace."""
    query, key, value, output, lse, _, nhd, *_ = call
    batch, query_heads, query_rows, head_dim = dims(query, nhd)
    _, key_heads, key_rows, _ = dims(key, nhd)
    return _abi.WgmmaParams(
        ctypes.sizeof(_abi.WgmmaParams),
        view(query, nhd),
        view(key, nhd),
        view(value, nhd),
        view(output, nhd),
        None,
        0,
        None if lse is None else lse.data_ptr(),
        batch,
        query_heads,
        key_heads,
        query_rows,
        key_rows,
        head_dim,
        call.sm_scale,
        call.causal,
        call.smooth_k,
        DTYPES[query.dtype],
        DTYPES[output.dtype],
        _abi.WGMMA_ALL,
    )


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
    return Step("sageattn_wgmma_attention", filled)
