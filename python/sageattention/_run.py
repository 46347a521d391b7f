"""The steps of one attention call on kernels of the C library: mma or wgmma.

Everything is queued on the current stream; nothing here waits for the GPU or copies to the host.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch

from . import _abi, _launch, _shapes, _wgmma
from ._call import Call
from ._kinds import Kind
from ._operand import Array, Operand
from ._plan import Step, Workspace
from ._shapes import dims

_LARGEST_FLOAT16 = 65504.0


def steps(call: Call, kind: Kind, workspace: Workspace) -> Iterator[Step]:
    """The steps that compute a call by a kind."""
    if kind.launcher == "wgmma":
        yield _wgmma.step(call, workspace)
    else:
        yield from quantize_and_attend(call, kind, workspace)


def quantize_and_attend(call: Call, kind: Kind, workspace: Workspace) -> Iterator[Step]:
    """Quantises the operands, then attends."""
    mean = None
    if call.smooth_k:
        mean = _new_mean(call, workspace)
        lengths = call.lengths and call.lengths[1]
        yield Step(_abi.RUN_MEAN, _launch.mean_params(call.key, mean, call.nhd, lengths))
    key, key_scale, _ = yield from _quantize(call, _abi.KEY, mean, workspace)
    # The subtracted mean changes the LSE, but not the softmax.
    wanted = None if call.lse is None else mean
    query, query_scale, dot = yield from _quantize(call, _abi.QUERY, wanted, workspace)
    value, value_scale, value_mean = yield from _values(call, kind, workspace)
    params = _launch.attention_params(
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
    size = _launch.attention_workspace(params)
    if size:
        params.workspace, params.workspace_size = workspace.bytes(size), size
    yield Step(_abi.RUN_ATTENTION, params)


def _new_mean(call: Call, workspace: Workspace) -> Operand:
    """Room for the mean of the keys of every sequence, float32 [batch, key heads, head_dim]."""
    sizes = dims(call.key, call.nhd)
    batch = call.lengths[1].batch if call.lengths else sizes.batch
    return workspace.float32(batch, sizes.heads, sizes.head_dim)


def _quantize(
    call: Call, operand: int, mean: Operand | None, workspace: Workspace
) -> Generator[Step, None, tuple[Operand, Operand, Operand | None]]:
    """INT8 query or key, contiguous in its layout; scales; for queries with a mean, their dot."""
    tensor = call.query if operand == _abi.QUERY else call.key
    sizes = dims(tensor, call.nhd)
    lengths = call.lengths and call.lengths[operand]
    if lengths:
        count = _shapes.varlen_scale_count(operand, call.granularity, sizes.rows, lengths.batch)
    else:
        count = _shapes.scale_count(operand, call.granularity, sizes.rows)
    output = workspace.new(torch.int8, *tensor.shape)
    scale = workspace.float32(sizes.batch, sizes.heads, count)
    dot = None
    if operand == _abi.QUERY and mean is not None:
        dot = workspace.float32(sizes.batch, sizes.heads, sizes.rows)
    params = _launch.quantize_params(
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
    yield Step(_abi.RUN_QUANTIZE, params)
    return output, scale, dot


def _values(
    call: Call, kind: Kind, workspace: Workspace
) -> Generator[Step, None, tuple[Array, Operand | None, Operand | None]]:
    """The values as a kind of kernel takes them, with the scale and mean of E4M3 ones."""
    if not kind.e4m3:
        return call.value, None, None
    sizes = dims(call.value, call.nhd)
    output = workspace.new(torch.float8_e4m3fn, *e4m3_shape(call.value, call.nhd))
    # Always smooth: E4M3 values far from zero would lose percents of the output's mean.
    scale, mean = (workspace.float32(sizes.batch, sizes.heads, sizes.head_dim) for _ in range(2))
    sums = workspace.float32(_launch.value_workspace(call.value, call.nhd))
    params = _launch.quantize_value_params(
        call.value, output, scale, mean, sums, call.nhd, kind.scale_max
    )
    yield Step(_abi.RUN_QUANTIZE_VALUE, params)
    return output, scale, mean


def takes_float16(kind: Kind) -> bool:
    """Whether values must be float16: sums in float16 have no other kernel."""
    return kind.sums == "float16" and not kind.e4m3


def to_float16(value: torch.Tensor) -> torch.Tensor:
    """bfloat16 values as contiguous float16; values beyond its range become its largest."""
    clamped = value.clamp(-_LARGEST_FLOAT16, _LARGEST_FLOAT16)
    return clamped.to(torch.float16, memory_format=torch.contiguous_format)


def e4m3_shape(value: Array, nhd: bool) -> tuple[int, ...]:
    """Of transposed E4M3 values: HND [batch, heads, head_dim, keys] or NHD [batch, head_dim, heads, keys].

    keys is a multiple of 64.
    """
    sizes = dims(value, nhd)
    inner = (sizes.head_dim, sizes.heads) if nhd else (sizes.heads, sizes.head_dim)
    return sizes.batch, *inner, (sizes.rows + 63) // 64 * 64
