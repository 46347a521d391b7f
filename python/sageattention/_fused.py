"""The quantising operators of 2.2's extension of this name; all write to the caller's tensors.

tensor_layout: 0 = NHD, 1 = HND. input is float16 or bfloat16 in that layout, output int8 of its shape, scale
float32 [batch, heads, scales per head]. Other tensors raise InputError.
"""

from __future__ import annotations

import torch

from . import _abi, _launch, _shapes, reference
from ._errors import InputError
from ._shapes import Blocks, dims


def quant_per_block_int8_cuda(
    input: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    *rest: float,
) -> None:
    """One scale per block of rows. rest: [sm_scale,] block_size (64 or 128), tensor_layout.

    sm_scale goes into scale. Raises TypeError for another number of arguments.
    """
    if len(rest) not in (2, 3):
        raise TypeError(
            "quant_per_block_int8_cuda() takes input, output, scale, an optional sm_scale, block_size and "
            f"tensor_layout: 5 or 6 arguments, got {3 + len(rest)}"
        )
    sm_scale, block, layout = (1.0, *rest)[-3:]
    _per_block(input, output, scale, None, int(block), int(layout))
    if len(rest) == 3:
        scale.mul_(sm_scale)


def quant_per_block_int8_fuse_sub_mean_cuda(
    input: torch.Tensor,
    mean: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    block_size: int,
    tensor_layout: int,
) -> None:
    """As quant_per_block_int8_cuda, of input less mean [batch, heads, head_dim]."""
    _check_float("mean", mean)
    _per_block(input, output, scale, mean.float().contiguous(), block_size, tensor_layout)


def _per_block(
    input: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    mean: torch.Tensor | None,
    block: int,
    layout: int,
) -> None:
    blocks = Blocks(key=block)
    _check(input, output, scale, layout == 0, _abi.KEY, _abi.PER_BLOCK, blocks)
    _launch.quantize(
        input,
        output,
        scale,
        mean,
        None,
        layout == 0,
        _abi.KEY,
        _abi.PER_BLOCK,
        blocks,
    )


def _check(
    input: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    nhd: bool,
    operand: int,
    granularity: int,
    blocks: Blocks,
) -> None:
    """Checks tensors that a kernel would misread or overwrite. Raises InputError or ValueError."""
    sizes = _shapes.check_quantizable(input, nhd)
    _shapes.check_blocks(blocks)
    if output.dtype != torch.int8 or output.shape != input.shape or output.stride(-1) != 1:
        raise InputError("output must be int8, shaped like input, rows contiguous")
    count = _shapes.scale_count(operand, granularity, sizes.rows, blocks)
    _shapes.check_float32("scale", scale, (sizes.batch, sizes.heads, count))
    _shapes.check_same_device(input, output, scale)


def quant_per_warp_int8_cuda(
    input: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    block_size: int,
    warp_block_size: int,
    tensor_layout: int,
) -> None:
    """One scale per warp_block_size (16 or 32) rows of a block of 64 or 128."""
    blocks = Blocks(block_size, warp_block_size)
    _check(input, output, scale, tensor_layout == 0, _abi.QUERY, _abi.PER_WARP, blocks)
    _launch.quantize(
        input,
        output,
        scale,
        None,
        None,
        tensor_layout == 0,
        _abi.QUERY,
        _abi.PER_WARP,
        blocks,
    )


def sub_mean_cuda(
    input: torch.Tensor, mean: torch.Tensor, output: torch.Tensor, tensor_layout: int
) -> None:
    """output (float16) = input - mean [batch, heads, head_dim]."""
    _check_float("input", input)
    _check_float("mean", mean)
    _check_dtype("output", output, torch.float16)
    rows = 1 if tensor_layout == 0 else 2
    output.copy_(input.float() - mean.float().unsqueeze(rows))


def transpose_pad_permute_cuda(
    input: torch.Tensor, output: torch.Tensor, tensor_layout: int
) -> None:
    """output [batch, heads, head_dim, keys] (NHD: [batch, head_dim, heads, keys]): input transposed.

    Keys past the end are zeros; inside each 16 they are permuted as the kernels of E4M3 values read them.
    """
    sizes = dims(input, tensor_layout == 0)
    rows = input.permute(0, 3, 2, 1) if tensor_layout == 0 else input.permute(0, 1, 3, 2)
    padded = torch.zeros_like(output)
    padded[..., : sizes.rows] = rows
    output.copy_(reference.permute_keys(padded))


def scale_fuse_quant_cuda(
    input: torch.Tensor,
    output: torch.Tensor,
    scale: torch.Tensor,
    num_tokens: int,
    scale_max: float,
    tensor_layout: int,
) -> None:
    """output (E4M3) and scale [batch, heads, head_dim] of what transpose_pad_permute_cuda wrote."""
    _check_float("input", input)
    values = input.float()
    _scale_and_round(values, output, scale, scale_max, tensor_layout)


def mean_scale_fuse_quant_cuda(
    input: torch.Tensor,
    output: torch.Tensor,
    mean: torch.Tensor,
    scale: torch.Tensor,
    num_tokens: int,
    scale_max: float,
    tensor_layout: int,
) -> None:
    """As scale_fuse_quant_cuda, of input less its mean over num_tokens keys.

    The mean is written to mean [batch, heads, head_dim].
    """
    _check_float("input", input)
    _check_dtype("mean", mean, torch.float32)
    values = input.float()
    means = values.sum(-1) / num_tokens
    mean.copy_(means.transpose(1, 2) if tensor_layout == 0 else means)
    _scale_and_round(values - means[..., None], output, scale, scale_max, tensor_layout)


def _scale_and_round(
    values: torch.Tensor, output: torch.Tensor, scale: torch.Tensor, scale_max: float, layout: int
) -> None:
    _check_dtype("output", output, torch.float8_e4m3fn)
    _check_dtype("scale", scale, torch.float32)
    rounded, scales = reference.round_channels(values, scale_max)
    scale.copy_(scales.transpose(1, 2) if layout == 0 else scales)
    output.copy_(rounded)


def _check_dtype(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> None:
    if tensor.dtype != dtype:
        raise InputError(f"{name} must be {dtype}, got {tensor.dtype}")


def _check_float(name: str, tensor: torch.Tensor) -> None:
    if not tensor.is_floating_point():
        raise InputError(f"{name} must be float, got {tensor.dtype}")
