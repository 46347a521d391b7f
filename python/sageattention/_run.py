"""Runs one attention call on its kernel: mma or wgmma of the C library, or Triton.

Everything is queued on the current stream; nothing here waits for the GPU or copies to the host.
"""

from __future__ import annotations

import torch

from . import _abi, _launch, _shapes, _triton, _wgmma
from ._call import Call
from ._dispatch import TRITON, choose
from ._kinds import KINDS, Kind
from ._shapes import dims, new_float32

_LARGEST_FLOAT16 = 65504.0


def run(call: Call, method: str) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Computes a call by the kernel that the dispatcher takes for it.

    Returns None if the kernel wrote the call's outputs, else a new output and LSE.
    """
    choice = choose(call.query.device.index, call.request(method))
    if choice.kind == TRITON:
        return _triton.run(call)
    kind = KINDS[choice.kind]
    if kind.launcher == "wgmma":
        _wgmma.attention(call)
    else:
        quantize_and_attend(call, kind)
    return None


def quantize_and_attend(call: Call, kind: Kind) -> None:
    """Quantises the operands, then computes a call by a kind."""
    mean = key_mean(call) if call.smooth_k else None
    key, key_scale, _ = quantize(call, _abi.KEY, mean)
    # The subtracted mean changes the LSE, but not the softmax.
    query, query_scale, dot = quantize(call, _abi.QUERY, None if call.lse is None else mean)
    value, value_scale, value_mean = values(call, kind)
    _launch.attention(
        kind,
        query,
        key,
        value,
        query_scale,
        key_scale,
        call.output,
        nhd=call.nhd,
        granularity=call.granularity,
        sm_scale=call.sm_scale,
        causal=call.causal,
        mean_dot=dot,
        lse=call.lse,
        mask=call.mask,
        value_scale=value_scale,
        value_mean=value_mean,
        lengths=call.lengths,
    )


def key_mean(call: Call) -> torch.Tensor:
    """Mean of the keys of every sequence, float32 [batch, key heads, head_dim]."""
    sizes, lengths = dims(call.key, call.nhd), call.lengths and call.lengths[1]
    batch = lengths.batch if lengths else sizes.batch
    mean = new_float32(call.key, batch, sizes.heads, sizes.head_dim)
    _launch.mean(call.key, mean, call.nhd, lengths)
    return mean


def quantize(
    call: Call, operand: int, mean: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """INT8 query or key, contiguous in its layout; scales; for queries with a mean, their dot."""
    tensor = call.query if operand == _abi.QUERY else call.key
    sizes = dims(tensor, call.nhd)
    lengths = call.lengths and call.lengths[operand]
    if lengths:
        count = _shapes.varlen_scale_count(operand, call.granularity, sizes.rows, lengths.batch)
    else:
        count = _shapes.scale_count(operand, call.granularity, sizes.rows)
    output = torch.empty(tensor.shape, dtype=torch.int8, device=tensor.device)
    scale = new_float32(tensor, sizes.batch, sizes.heads, count)
    dot = None
    if operand == _abi.QUERY and mean is not None:
        dot = new_float32(tensor, sizes.batch, sizes.heads, sizes.rows)
    _launch.quantize(
        tensor,
        output,
        scale,
        mean,
        dot,
        call.nhd,
        operand,
        call.granularity,
        lengths=lengths or None,
    )
    return output, scale, dot


def values(
    call: Call, kind: Kind
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """The values as a kind of kernel takes them, with the scale and mean of E4M3 ones."""
    if kind.e4m3:
        # Always smooth: E4M3 values far from zero would lose percents of the output's mean.
        output, scale, mean = new_e4m3(call.value, call.nhd, smooth=True)
        _launch.quantize_value(call.value, output, scale, mean, call.nhd, kind.scale_max)
        return output, scale, mean
    if kind.sums == "float16" and call.value.dtype == torch.bfloat16:
        return to_float16(call.value), None, None
    return call.value, None, None


def to_float16(value: torch.Tensor) -> torch.Tensor:
    """bfloat16 values as contiguous float16; values beyond its range become its largest."""
    clamped = value.clamp(-_LARGEST_FLOAT16, _LARGEST_FLOAT16)
    return clamped.to(torch.float16, memory_format=torch.contiguous_format)


def new_e4m3(
    value: torch.Tensor, nhd: bool, smooth: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Room for transposed E4M3 values, their scale and, if smooth, mean: float32 [batch, heads, head_dim].

    The values are HND [batch, heads, head_dim, keys] or NHD [batch, head_dim, heads, keys], keys a multiple of 64.
    """
    sizes = dims(value, nhd)
    inner = (sizes.head_dim, sizes.heads) if nhd else (sizes.heads, sizes.head_dim)
    keys = (sizes.rows + 63) // 64 * 64
    output = value.new_empty((sizes.batch, *inner, keys), dtype=torch.float8_e4m3fn)
    scale = new_float32(value, sizes.batch, sizes.heads, sizes.head_dim)
    return output, scale, torch.empty_like(scale) if smooth else None
