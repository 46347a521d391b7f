"""The wgmma path of SM 9.0 (wgmma): one call of the C library that quantises into a workspace and attends.

csrc/host/sageattn_wgmma.h is the original of the struct. The path takes no mask, no sequence starts and head
dims up to 128; everything else goes to the plain kernels.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch

from . import _abi
from ._launch import run, view
from ._library import check, library
from ._shapes import DTYPES, dims

MAX_HEAD_DIM = 128

# sageattn_wgmma_steps
ALL, QUANTIZE, ATTEND = 0, 1, 2


class WgmmaParams(ctypes.Structure):
    """sageattn_wgmma_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("query", _abi.Tensor),
        ("key", _abi.Tensor),
        ("value", _abi.Tensor),
        ("output", _abi.Tensor),
        ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_int64),
        ("lse", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("query_heads", ctypes.c_int64),
        ("key_heads", ctypes.c_int64),
        ("query_rows", ctypes.c_int64),
        ("key_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("sm_scale", ctypes.c_float),
        ("causal", ctypes.c_int32),
        ("smooth_k", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("output_dtype", ctypes.c_int32),
        ("steps", ctypes.c_int32),
    ]


FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "sageattn_wgmma_supported": (ctypes.c_int, [ctypes.c_int32]),
    "sageattn_wgmma_workspace": (ctypes.c_int64, [ctypes.POINTER(WgmmaParams)]),
    "sageattn_wgmma_attention": (
        ctypes.c_int,
        [ctypes.POINTER(WgmmaParams), ctypes.c_int32, ctypes.c_void_p],
    ),
}


@functools.cache
def _function(name: str) -> Any:
    """A function of the library, or None in one that was built without this path."""
    function = getattr(library(), name, None)
    if function is not None:
        function.restype, function.argtypes = FUNCTIONS[name]
    return function


def fits(device: int, head_dim: int) -> bool:
    """Whether a device has the wgmma kernels and they take this head dim."""
    supported = _function("sageattn_wgmma_supported")
    return head_dim <= MAX_HEAD_DIM and supported is not None and supported(device) == 1


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    output: torch.Tensor,
    lse: torch.Tensor | None,
    *,
    nhd: bool,
    causal: int,
    sm_scale: float,
    smooth_k: bool,
) -> None:
    """Quantises 16-bit tensors and attends: writes output and, if given, lse."""
    batch, query_heads, query_rows, head_dim = dims(query, nhd)
    _, key_heads, key_rows, _ = dims(key, nhd)
    params = WgmmaParams(
        size=ctypes.sizeof(WgmmaParams),
        query=view(query, nhd),
        key=view(key, nhd),
        value=view(value, nhd),
        output=view(output, nhd),
        lse=None if lse is None else lse.data_ptr(),
        batch=batch,
        query_heads=query_heads,
        key_heads=key_heads,
        query_rows=query_rows,
        key_rows=key_rows,
        head_dim=head_dim,
        sm_scale=sm_scale,
        causal=causal,
        smooth_k=smooth_k,
        dtype=DTYPES[query.dtype],
        output_dtype=DTYPES[output.dtype],
        steps=ALL,
    )
    size = _function("sageattn_wgmma_workspace")(ctypes.byref(params))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    workspace = torch.empty(size, dtype=torch.uint8, device=query.device)
    params.workspace, params.workspace_size = workspace.data_ptr(), size
    run(_function("sageattn_wgmma_attention"), params, query.device)
