"""The kernels of SM 9.0 by wgmma: one call of the C library that quantises into a workspace and attends."""

from __future__ import annotations

import ctypes

import torch

from . import _abi
from ._call import Call
from ._launch import run, view
from ._library import check, library
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


def new_workspace(params: _abi.WgmmaParams, device: torch.device) -> torch.Tensor:
    """Allocates the workspace and enters it into params. Raises ValueError for bad params."""
    size = library().sageattn_wgmma_workspace(ctypes.byref(params))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    workspace = torch.empty(size, dtype=torch.uint8, device=device)
    params.workspace, params.workspace_size = workspace.data_ptr(), size
    return workspace


def attention(call: Call) -> None:
    """Quantises 16-bit tensors and attends: writes the output and, if wanted, the LSE."""
    filled = params(call)
    workspace = new_workspace(filled, call.query.device)
    run(library().sageattn_wgmma_attention, filled, workspace.device)
