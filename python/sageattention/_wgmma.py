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
    batch, query_heads, query_rows, head_dim = dims(call.query, call.nhd)
    _, key_heads, key_rows, _ = dims(call.key, call.nhd)
    return _abi.WgmmaParams(
        size=ctypes.sizeof(_abi.WgmmaParams),
        query=view(call.query, call.nhd),
        key=view(call.key, call.nhd),
        value=view(call.value, call.nhd),
        output=view(call.output, call.nhd),
        lse=None if call.lse is None else call.lse.data_ptr(),
        batch=batch,
        query_heads=query_heads,
        key_heads=key_heads,
        query_rows=query_rows,
        key_rows=key_rows,
        head_dim=head_dim,
        sm_scale=call.sm_scale,
        causal=call.causal,
        smooth_k=call.smooth_k,
        dtype=DTYPES[call.query.dtype],
        output_dtype=DTYPES[call.output.dtype],
        steps=_abi.WGMMA_ALL,
    )


def new_workspace(params: _abi.WgmmaParams, device: torch.device) -> torch.Tensor:
    """Room for what the kernels keep between each other, entered into params. Raises ValueError for bad params."""
    size = library().sageattn_wgmma_workspace(ctypes.byref(params))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    workspace = torch.empty(size, dtype=torch.uint8, device=device)
    params.workspace, params.workspace_size = workspace.data_ptr(), size
    return workspace


def attention(call: Call) -> None:
    """Quantises 16-bit tensors and attends: writes the output and, if it is wanted, the LSE."""
    filled = params(call)
    workspace = new_workspace(filled, call.query.device)
    run(library().sageattn_wgmma_attention, filled, workspace.device)
