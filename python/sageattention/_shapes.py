"""Shapes: the two tensor layouts, scale counts and the checks that keep kernels inside their tensors.

Everything here works on plain and on symbolic sizes, so that operators and their fakes share it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from . import _abi

HEAD_DIMS = (64, 128)
DTYPES = {torch.float16: _abi.FLOAT16, torch.bfloat16: _abi.BFLOAT16}

# Scale groups per block of rows: (operand, granularity) -> (rows of a block, scales of a block).
_SCALES = {
    (_abi.QUERY, _abi.PER_BLOCK): (_abi.QUERY_BLOCK, 1),
    (_abi.QUERY, _abi.PER_WARP): (_abi.QUERY_BLOCK, _abi.QUERY_BLOCK // _abi.QUERY_WARP),
    (_abi.QUERY, _abi.PER_THREAD): (_abi.QUERY_BLOCK, _abi.QUERY_BLOCK // _abi.QUERY_WARP * 8),
    (_abi.KEY, _abi.PER_BLOCK): (_abi.KEY_BLOCK, 1),
    (_abi.KEY, _abi.PER_WARP): (_abi.KEY_BLOCK, 1),
    (_abi.KEY, _abi.PER_THREAD): (_abi.KEY_BLOCK, 4),
}


class Dims(NamedTuple):
    """Sizes of a 4-D tensor, whatever its layout."""

    batch: int
    heads: int
    rows: int
    head_dim: int


def is_nhd(tensor_layout: str) -> bool:
    """True for "NHD" [batch, rows, heads, head_dim], False for "HND" [batch, heads, rows, head_dim]."""
    if tensor_layout not in ("HND", "NHD"):
        raise ValueError(f"Unknown tensor layout: {tensor_layout}; use 'HND' or 'NHD'")
    return tensor_layout == "NHD"


def dims(tensor: torch.Tensor, nhd: bool) -> Dims:
    """Batch, heads, rows and head dim of a tensor in the given layout."""
    if tensor.dim() != 4:
        layout = "[batch, rows, heads, head_dim]" if nhd else "[batch, heads, rows, head_dim]"
        raise ValueError(f"expected a 4-D tensor {layout}, got shape {tuple(tensor.shape)}")
    batch, second, third, head_dim = tensor.shape
    return Dims(batch, third, second, head_dim) if nhd else Dims(batch, second, third, head_dim)


def scale_count(operand: int, granularity: int, rows: int) -> int:
    """Scales per head: the same number that sageattn_scale_count gives."""
    if (operand, granularity) not in _SCALES:
        raise ValueError(f"unknown operand {operand} or granularity {granularity}")
    block, scales = _SCALES[operand, granularity]
    return (rows + block - 1) // block * scales


def check_quantizable(tensor: torch.Tensor, nhd: bool) -> Dims:
    """Sizes of a float16 or bfloat16 tensor that the quantisers take. Raises ValueError otherwise."""
    if tensor.dtype not in DTYPES:
        raise ValueError(f"expected float16 or bfloat16, got {tensor.dtype}")
    return _checked_dims(tensor, nhd)


def check_int8(tensor: torch.Tensor, nhd: bool) -> Dims:
    """Sizes of a quantised tensor. Raises ValueError if it is not one."""
    if tensor.dtype != torch.int8:
        raise ValueError(f"expected int8, got {tensor.dtype}")
    return _checked_dims(tensor, nhd)


def _checked_dims(tensor: torch.Tensor, nhd: bool) -> Dims:
    sizes = dims(tensor, nhd)
    if sizes.head_dim not in HEAD_DIMS:
        raise ValueError(f"Unsupported head_dim: {sizes.head_dim}; kernels exist for 64 and 128")
    if tensor.stride(-1) != 1:
        raise ValueError("Last dim of qkv must be contiguous.")
    return sizes


def check_attention(query: Dims, key: Dims, value: Dims) -> None:
    """Checks that one attention can be made of the three. Raises ValueError, naming both sizes."""
    if key != value:
        raise ValueError(f"key and value differ in shape: {tuple(key)} and {tuple(value)}")
    if query.batch != key.batch:
        raise ValueError(f"query has batch {query.batch}, key has {key.batch}")
    if query.head_dim != key.head_dim:
        raise ValueError(f"query has head_dim {query.head_dim}, key has {key.head_dim}")
    check_groups(query.heads, key.heads)


def check_groups(query_heads: int, key_heads: int) -> None:
    """Checks that query heads share key heads evenly. Raises ValueError."""
    if key_heads < 1 or query_heads % key_heads != 0:
        raise ValueError(
            f"num_qo_heads ({query_heads}) must be divisible by num_kv_heads ({key_heads})"
        )


def check_float32(name: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Checks a contiguous float32 tensor of exactly this shape. Raises ValueError."""
    if tensor.dtype != torch.float32 or tuple(tensor.shape) != shape or not tensor.is_contiguous():
        raise ValueError(
            f"{name} must be contiguous float32 of shape {shape}, "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)}"
        )


def check_same_device(first: torch.Tensor, *others: torch.Tensor | None) -> None:
    """Checks that all tensors (None allowed) live on one device. Raises ValueError."""
    for other in others:
        if other is not None and other.device != first.device:
            raise ValueError(f"tensors are on {first.device} and {other.device}")
