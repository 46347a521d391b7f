"""Shapes: the two tensor layouts, scale counts and the checks that keep kernels inside their tensors.

Everything here works on plain and on symbolic sizes, so that operators and their fakes share it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from . import _abi
from ._errors import InputError
from ._operand import Array

MAX_HEAD_DIM = 256
NOT_CONTIGUOUS = "Last dim of qkv must be contiguous."
DTYPES = {torch.float16: _abi.FLOAT16, torch.bfloat16: _abi.BFLOAT16}
MASK_DTYPES = {**DTYPES, torch.float32: _abi.FLOAT32, torch.bool: _abi.BOOL}


class Blocks(NamedTuple):
    """The rows of a scale group: query block, warp of query rows, key block."""

    query: int = _abi.QUERY_BLOCK
    warp: int = _abi.QUERY_WARP
    key: int = _abi.KEY_BLOCK


BLOCKS = Blocks()


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


def dims(tensor: Array, nhd: bool) -> Dims:
    """Batch, heads, rows and head dim of a tensor in the given layout."""
    if tensor.dim() != 4:
        layout = "[batch, rows, heads, head_dim]" if nhd else "[batch, heads, rows, head_dim]"
        raise ValueError(f"expected a 4-D tensor {layout}, got shape {tuple(tensor.shape)}")
    batch, second, third, head_dim = tensor.shape
    return Dims(batch, third, second, head_dim) if nhd else Dims(batch, second, third, head_dim)


def new_float32(like: torch.Tensor, *shape: int) -> torch.Tensor:
    """Uninitialised float32 of this shape on the device of another tensor."""
    return torch.empty(shape, dtype=torch.float32, device=like.device)


def new_lse(query: torch.Tensor, nhd: bool, wanted: bool) -> torch.Tensor:
    """Room for the LSE, [batch, query heads, query rows], or an empty tensor if none is wanted."""
    if not wanted:
        return new_float32(query, 0)
    sizes = dims(query, nhd)
    return new_float32(query, sizes.batch, sizes.heads, sizes.rows)


def scales_per_block(operand: int, granularity: int, blocks: Blocks = BLOCKS) -> int:
    """Scales of one block of query or key rows. Raises ValueError for an unknown operand or granularity."""
    if operand not in (_abi.QUERY, _abi.KEY) or granularity not in (1, 2, 3):
        raise ValueError(f"unknown operand {operand} or granularity {granularity}")
    if operand == _abi.KEY:
        return 4 if granularity == _abi.PER_THREAD else 1
    warps = blocks.query // blocks.warp
    return {_abi.PER_BLOCK: 1, _abi.PER_WARP: warps, _abi.PER_THREAD: warps * 8}[granularity]


def scale_count(operand: int, granularity: int, rows: int, blocks: Blocks = BLOCKS) -> int:
    """Scales per head: the same number that sageattn_scale_count gives."""
    per_block = scales_per_block(operand, granularity, blocks)
    block = blocks.query if operand == _abi.QUERY else blocks.key
    return (rows + block - 1) // block * per_block


def varlen_scale_count(
    operand: int, granularity: int, total_rows: int, batch: int, blocks: Blocks = BLOCKS
) -> int:
    """Scales per head of sequences behind each other, with a partial block of each."""
    block = blocks.query if operand == _abi.QUERY else blocks.key
    return (total_rows // block + batch) * scales_per_block(operand, granularity, blocks)


def check_blocks(blocks: Blocks) -> None:
    """Checks that the quantisers are built for these blocks. Raises ValueError, naming the argument."""
    for name, size, known in (
        ("BLKQ", blocks.query, (64, 128)),
        ("WARPQ", blocks.warp, (16, 32)),
        ("BLKK", blocks.key, (64, 128)),
    ):
        if size not in known:
            raise ValueError(f"Unsupported {name}: {size}; the kernels are built for {known}")


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
    check_rows(tensor)
    return sizes


def check_rows(tensor: torch.Tensor) -> None:
    """Checks that the head dim, the last dim, is contiguous and has kernels. Raises ValueError."""
    head_dim = tensor.shape[-1]
    if not 1 <= head_dim <= MAX_HEAD_DIM:
        raise ValueError(f"Unsupported head_dim: {head_dim}; kernels exist for 1 to {MAX_HEAD_DIM}")
    if tensor.stride(-1) != 1:
        raise ValueError(NOT_CONTIGUOUS)


def check_mask(mask: torch.Tensor, shape: tuple[int | None, ...]) -> None:
    """Checks a bool or float mask that broadcasts to shape [batch, query heads, query rows, key rows].

    None stands for a size that is not known yet: every size fits it. Raises InputError.
    """
    if mask.dtype not in MASK_DTYPES:
        raise InputError(f"attn_mask must be bool or float, got {mask.dtype}.")
    fits = mask.dim() <= len(shape) and all(
        want is None or have == 1 or have == want
        for have, want in zip(mask.shape[::-1], shape[::-1])
    )
    if not fits:
        raise InputError(
            f"attn_mask of shape {tuple(mask.shape)} cannot be broadcast to {tuple(shape)}."
        )


def check_same_dtype(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
    """Checks that all three have one dtype: the kernels are told only one. Raises InputError."""
    if not query.dtype == key.dtype == value.dtype:
        raise InputError(
            f"All tensors must have the same dtype, got {query.dtype}, {key.dtype} and {value.dtype}."
        )


def check_length(name: str, length: torch.Tensor) -> None:
    """Checks an integer tensor of one element. Raises InputError."""
    if length.numel() != 1 or length.dtype not in (torch.int32, torch.int64):
        raise InputError(
            f"{name} must be one int32 or int64, got {length.dtype} {tuple(length.shape)}."
        )


def check_longest(name: str, longest: int) -> None:
    """Checks the largest length of sequences. Raises ValueError: kernels would compute nothing for one below 0."""
    if longest < 0:
        raise ValueError(f"{name} is {longest}, it must be 0 or more")


def check_starts(name: str, starts: torch.Tensor) -> int:
    """Checks int32 sequence starts [batch + 1]; returns batch. Raises ValueError."""
    if starts.dim() != 1 or starts.shape[0] < 1 or starts.dtype != torch.int32:
        raise ValueError(f"{name} must be int32 [batch + 1], got {starts.dtype} {starts.shape}")
    if not starts.is_contiguous():
        raise ValueError(f"{name} must be contiguous")
    return starts.shape[0] - 1


def check_attention(query: Dims, key: Dims, value: Dims) -> None:
    """Checks that the three shapes fit each other. Raises ValueError, naming both sizes."""
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
            f"{name} must be contiguous float32 of shape {shape}, got {tensor.dtype} of shape {tuple(tensor.shape)}"
        )


def check_same_device(first: torch.Tensor, *others: torch.Tensor | None) -> None:
    """Checks that all tensors (None allowed) live on one device. Raises ValueError."""
    for other in others:
        if other is not None and other.device != first.device:
            raise ValueError(f"tensors are on {first.device} and {other.device}")
