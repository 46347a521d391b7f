"""Launches the Triton kernels on tensors of any of the three layouts, on their device's current stream.

Grids are one-dimensional: the other two dims of a CUDA grid end at 65535. Nothing here waits for the GPU.
"""

from __future__ import annotations

import functools
import operator
import os
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl

from .._errors import InputError
from .._shapes import DTYPES, check_longest, check_rows
from ._again import Again, launch
from ._attention_kernel import attention_kernel
from ._quantize_kernels import mean_kernel, quantize_kernel

QUERY_BLOCK = 128  # rows that share a scale
KEY_BLOCK = 64


class Rows(NamedTuple):
    """A tensor seen as [batch, heads, rows, head_dim].

    With starts, integers [batch + 1] on the device, sequence b is rows starts[b] to starts[b + 1] of a
    [total rows, heads, head_dim] tensor, and rows is the length of the longest one.
    """

    tensor: torch.Tensor
    batch: int
    heads: int
    rows: int
    strides: tuple[int, int, int]  # batch, head, row
    starts: torch.Tensor | None = None

    @property
    def head_dim(self) -> int:
        return self.tensor.shape[-1]


class Scales(NamedTuple):
    """float32 scales: [batch, heads, scales], or with starts [scales of all sequences, heads]."""

    tensor: torch.Tensor
    starts: torch.Tensor | None = None

    @property
    def strides(self) -> tuple[int, int, int]:
        """Strides of batch, head and scale."""
        if self.starts is not None:
            return 0, self.tensor.stride(1), self.tensor.stride(0)
        return self.tensor.stride(0), self.tensor.stride(1), self.tensor.stride(2)


class Groups(NamedTuple):
    """The rows that share a scale: in a block of rows, every groups-th run of run rows."""

    block: int
    groups: int = 1
    run: int = 1


def dense(tensor: torch.Tensor, nhd: bool) -> Rows:
    """A [batch, rows, heads, head_dim] (nhd) or [batch, heads, rows, head_dim] tensor. Raises ValueError."""
    if tensor.dim() != 4:
        raise ValueError(f"expected a 4-D tensor, got shape {tuple(tensor.shape)}")
    head, row = (2, 1) if nhd else (1, 2)
    batch, strides = tensor.shape[0], tensor.stride()
    check_rows(tensor)
    sizes = tensor.shape[head], tensor.shape[row]
    return Rows(tensor, batch, *sizes, (strides[0], strides[head], strides[row]))


def varlen(tensor: torch.Tensor, starts: torch.Tensor, longest: int) -> Rows:
    """Sequences of at most longest rows in a [total rows, heads, head_dim] tensor.

    Raises ValueError, and TypeError for a longest that is no integer.
    """
    longest = operator.index(longest)
    check_longest("max_seqlen", longest)
    if tensor.dim() != 3:
        raise ValueError(f"expected a 3-D tensor, got shape {tuple(tensor.shape)}")
    if starts.dim() != 1 or starts.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"cu_seqlens must be 1-D int32 or int64, got {starts.dtype}")
    check_rows(tensor)
    strides = (0, tensor.stride(1), tensor.stride(0))
    batch = starts.shape[0] - 1
    return Rows(tensor, batch, tensor.shape[1], longest, strides, starts.contiguous())


def width(head_dim: int) -> int:
    """Columns of a tile: a power of two, and enough of them for an INT8 product."""
    return max(32, int(triton.next_power_of_2(head_dim)))


def scale_starts(starts: torch.Tensor, block: int) -> torch.Tensor:
    """[batch + 1], like starts: where the scales of each sequence begin, one per block of its rows."""
    blocks = (starts.diff() + (block - 1)) // block
    return torch.nn.functional.pad(blocks.cumsum(0), (1, 0)).to(starts.dtype)


def check_quantizable(q: torch.Tensor, k: torch.Tensor) -> None:
    """Checks that both are float16 or both bfloat16. Raises InputError."""
    if q.dtype not in DTYPES or q.dtype != k.dtype:
        raise InputError(
            f"q and k must be both float16 or both bfloat16, got {q.dtype} and {k.dtype}."
        )


def like(rows: Rows, tensor: torch.Tensor, nhd: bool) -> Rows:
    """tensor, of the same shape as rows.tensor, seen the same way."""
    return dense(tensor, nhd) if rows.starts is None else varlen(tensor, rows.starts, rows.rows)


def new_int8(rows: Rows) -> torch.Tensor:
    """Contiguous in the layout of rows.tensor."""
    return torch.empty(rows.tensor.shape, dtype=torch.int8, device=rows.tensor.device)


def mean_of_heads(km: torch.Tensor | None, nhd: bool) -> torch.Tensor | None:
    """[batch, heads, head_dim], with or without a kept row dim, as contiguous float32 without it."""
    if km is None:
        return None
    if not km.is_floating_point():
        raise InputError(f"km must be float, got {km.dtype}")
    if km.dim() == 4:
        km = km.squeeze(1 if nhd else 2)
    return km.to(torch.float32).contiguous()


def new_scales(rows: Rows, block: int, groups: int = 1) -> Scales:
    """Room for groups scales per block of rows; sequences get up to one block each too many."""
    empty = functools.partial(torch.empty, dtype=torch.float32, device=rows.tensor.device)
    if rows.starts is None:
        return Scales(empty((rows.batch, rows.heads, -(-rows.rows // block) * groups)))
    total = rows.tensor.shape[0] // block + rows.batch
    return Scales(empty((total, rows.heads)), scale_starts(rows.starts, block))


def quantize(
    source: Rows,
    output: Rows,
    scales: Scales,
    groups: Groups,
    factor: float = 1.0,
    mean: torch.Tensor | None = None,
    mean_dot: torch.Tensor | None = None,
) -> Again | None:
    """Writes INT8 rows to output and their scales times factor to scales.

    Without mean_dot, mean, contiguous float32 [batch, key heads, head_dim], is subtracted from the
    rows. With mean_dot, contiguous float32 [batch, heads, rows], the rows stay as they are, and
    row . mean is written to mean_dot.
    """
    blocks = _blocks(source, scales, groups)
    programs = blocks * groups.groups * source.heads * source.batch
    if programs == 0:
        return None
    return launch(
        quantize_kernel,
        programs,
        (source.tensor, output.tensor, scales.tensor, mean, mean_dot, source.starts, scales.starts),
        (
            source.rows,
            blocks,
            source.heads,
            1 if mean is None else source.heads // mean.shape[1],
            factor,
            *source.strides,
            *output.strides,
            *scales.strides,
        ),
        {
            "D": source.head_dim,
            "WIDTH": width(source.head_dim),
            "BLOCK": groups.block,
            "GROUPS": groups.groups,
            "RUN": groups.run,
            "SUBTRACT_MEAN": mean is not None and mean_dot is None,
            "MEAN_DOT": mean_dot is not None,
            "VARLEN": source.starts is not None,
        },
        {
            "num_warps": 1 if groups.groups > 1 else 4 if source.head_dim <= 128 else 8,
            "enable_fp_fusion": False,
        },
    )


def _blocks(source: Rows, scales: Scales, groups: Groups) -> int:
    """Blocks of scales to write. Dense scales are all written, even without rows."""
    if source.starts is None:
        return scales.tensor.shape[2] // groups.groups
    return -(-source.rows // groups.block)


def mean(rows: Rows) -> torch.Tensor:
    """float32 [batch, heads, head_dim]: the mean over the rows of each sequence, 0 without rows."""
    shape = (rows.batch, rows.heads, rows.head_dim)
    output = torch.empty(shape, dtype=torch.float32, device=rows.tensor.device)
    if output.numel() == 0:
        return output
    launch(
        mean_kernel,
        rows.batch * rows.heads,
        (rows.tensor, output, rows.starts),
        (rows.heads, *rows.strides[1:]),
        {"D": rows.head_dim, "WIDTH": width(rows.head_dim), "BLOCK": 128},
        {"num_warps": 8, "enable_fp_fusion": True},
    )
    return output


def attend(
    query: Rows,
    key: Rows,
    value: Rows,
    output: Rows,
    query_scales: Scales,
    key_scales: Scales,
    causal: int = 0,
    mask: torch.Tensor | None = None,
    lse: torch.Tensor | None = None,
) -> Again | None:
    """Writes output and, dense only, lse: base-2 logarithms, contiguous float32 [batch, heads, rows].

    query and key are int8; query_scales hold sm_scale * log2(e). causal: 0 none, 1 top left, 2 bottom
    right. mask, [batch, heads, query rows, key rows] with any strides: bool, or float in natural units.
    """
    head_dim = query.head_dim
    tiles = _tiles(width(head_dim), mask is not None)
    blocks = -(-query.rows // tiles.rows)
    programs = blocks * query.heads * query.batch
    if programs == 0:
        return None
    seen = mask.view(torch.uint8) if mask is not None and mask.dtype == torch.bool else mask
    tensors = (query.tensor, key.tensor, value.tensor, output.tensor, query_scales.tensor, key_scales.tensor, seen, lse)
    return launch(
        attention_kernel,
        programs,
        (*tensors, query.starts, key.starts, query_scales.starts, key_scales.starts),
        (
            query.rows,
            key.rows,
            blocks,
            query.heads,
            query.heads // key.heads,
            *query.strides,
            *key.strides,
            *value.strides,
            *output.strides,
            *query_scales.strides,
            *key_scales.strides,
            *((0, 0, 0, 0) if mask is None else mask.stride()),
        ),
        {
            "D": head_dim,
            "WIDTH": width(head_dim),
            "BLOCK_M": tiles.rows,
            "BLOCK_N": tiles.keys,
            "QUERY_BLOCK": QUERY_BLOCK,
            "KEY_BLOCK": KEY_BLOCK,
            "CAUSAL": causal,
            "MASK": 0 if mask is None else 1 if mask.dtype == torch.bool else 2,
            "VARLEN": query.starts is not None,
            "RETURN_LSE": lse is not None,
            "SCORE": _score_type(query.tensor.device),
            "PRODUCT": _product_type(value.tensor.dtype),
        },
        {"num_warps": tiles.warps, "num_stages": tiles.stages, "enable_fp_fusion": True},
    )


class _Tiles(NamedTuple):
    """Rows and keys of a tile, and how many warps and pipeline stages work on it."""

    rows: int
    keys: int
    warps: int
    stages: int


def _tiles(columns: int, masked: bool) -> _Tiles:
    """Tiles that fit the 99 KB of shared memory of SM 8.6; a mask's addresses need registers."""
    if masked:
        return _Tiles(64, 32, 4 if columns <= 128 else 8, 1)
    if columns > 128:
        return _Tiles(64, 32, 8, 2)
    return _Tiles(128, 64, 4 if columns <= 64 else 8, 3)


@functools.cache
def _score_type(device: torch.device) -> Any:
    """float16 before SM 8.0, where Triton has no INT8 product: summed in float32 it is exact."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        return tl.float16
    return tl.int8


def _product_type(dtype: torch.dtype) -> Any:
    if os.environ.get("TRITON_INTERPRET") == "1":
        return tl.float32  # the interpreter multiplies the bits of bfloat16 as integers
    return {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}[dtype]
