"""What the kernels compute, in plain PyTorch on any device: the oracle of the tests.

Every function takes HND tensors [batch, heads, rows, head_dim]. The quantisers give the bits of
csrc/device/quantize.cu; the attention functions work in float64, one head at a time.
"""

from __future__ import annotations

import torch

from . import _abi
from ._shapes import BLOCKS, Blocks, scale_count

_EPSILON = 1e-7
_INT8_MAX = 127.0
_E4M3_MAX = 448.0
_VALUE_ORDER = (0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)


def scale_index(operand: int, granularity: int, rows: int, blocks: Blocks = BLOCKS) -> torch.Tensor:
    """int64 [rows]: which scale of its head each row uses. Rule: csrc/host/sageattn.h."""
    row = torch.arange(rows)
    warp, block = row // blocks.warp, row // blocks.key
    rules: dict[tuple[int, int], torch.Tensor] = {
        (_abi.QUERY, _abi.PER_BLOCK): row // blocks.query,
        (_abi.QUERY, _abi.PER_WARP): warp,
        (_abi.QUERY, _abi.PER_THREAD): warp * 8 + row % 8,
        (_abi.KEY, _abi.PER_BLOCK): block,
        (_abi.KEY, _abi.PER_WARP): block,
        (_abi.KEY, _abi.PER_THREAD): block * 4 + row % 8 // 2,
    }
    return rules[operand, granularity]


def quantize(
    tensor: torch.Tensor,
    operand: int,
    granularity: int,
    mean: torch.Tensor | None = None,
    blocks: Blocks = BLOCKS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 like tensor, and float32 scales [batch, heads, scales per head].

    mean, float32 [batch, heads, head_dim], is subtracted first. A scale that no row uses is the
    scale of rows of zeros. The float32 operations follow the order in csrc/host/sageattn.h: another
    order gives other bits.
    """
    centred = tensor.float()
    if mean is not None:
        centred = centred - mean[:, :, None, :]
    batch, heads, rows, _ = tensor.shape
    index = scale_index(operand, granularity, rows, blocks).to(tensor.device)
    index = index.expand(batch, heads, rows)
    count = scale_count(operand, granularity, rows, blocks)
    largest = torch.full((batch, heads, count), _EPSILON, device=tensor.device)
    largest.scatter_reduce_(-1, index, centred.abs().amax(-1), "amax")
    inverse = largest.reciprocal() * _INT8_MAX
    steps = centred * inverse.gather(-1, index)[..., None]
    return steps.round().clamp_(-_INT8_MAX, _INT8_MAX).to(torch.int8), largest * (1 / _INT8_MAX)


def dequantize(
    tensor: torch.Tensor, scale: torch.Tensor, operand: int, granularity: int
) -> torch.Tensor:
    """The float32 values of quantised rows."""
    index = scale_index(operand, granularity, tensor.shape[2]).to(tensor.device)
    return tensor.float() * scale[:, :, index, None]


def quantize_value(
    value: torch.Tensor, scale_max: float = _E4M3_MAX, smooth: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """E4M3 [batch, heads, head_dim, keys in multiples of 64], float32 scale and mean [batch, heads, head_dim].

    Keys past the end are zeros, and keys are permuted inside each 16. Without smooth the mean is 0
    and the bits are those of the kernel; with smooth the bits depend on the order in which the mean
    is summed. The mean includes the average rounding error, so that rounding leaves no offset.
    """
    rows = value.float().transpose(2, 3)
    mean = rows.mean(-1) if smooth else torch.zeros(rows.shape[:3], device=rows.device)
    centred = rows - mean[..., None]
    rounded, scale = round_channels(centred, scale_max)
    if smooth:
        mean = mean + (centred - rounded.float() * scale[..., None]).mean(-1)
    padded = torch.nn.functional.pad(rounded.float(), (0, -rows.shape[-1] % 64))
    return permute_keys(padded).to(torch.float8_e4m3fn), scale, mean


def round_channels(channels: torch.Tensor, scale_max: float) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [..., keys] in E4M3, and the float32 scale of each channel; a zero channel has 1."""
    largest = (
        channels.abs().amax(-1) if channels.shape[-1] else channels.new_zeros(channels.shape[:-1])
    )
    # A GPU would replace division by a number with a product by its inverse.
    scale = largest / torch.full_like(largest, scale_max)
    scale = torch.where(scale < torch.finfo(torch.float32).tiny, torch.ones_like(scale), scale)
    steps = (channels * scale.reciprocal()[..., None]).clamp_(-_E4M3_MAX, _E4M3_MAX)
    return steps.to(torch.float8_e4m3fn), scale


def permute_keys(channels: torch.Tensor) -> torch.Tensor:
    """[..., keys in multiples of 16] in the order in which the kernels of E4M3 values read them."""
    order = torch.tensor(_VALUE_ORDER, device=channels.device)
    return channels.view(*channels.shape[:-1], -1, 16)[..., order].flatten(-2)


def dequantize_value(
    value: torch.Tensor, scale: torch.Tensor, mean: torch.Tensor, rows: int
) -> torch.Tensor:
    """The float32 [batch, heads, rows, head_dim] values of E4M3 values."""
    order = torch.tensor(_VALUE_ORDER, device=value.device).argsort()
    groups = value.float().view(*value.shape[:3], -1, 16)
    keys = groups[..., order].flatten(-2)[..., :rows]
    return (keys * scale[..., None] + mean[..., None]).transpose(2, 3)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: int = False,
    sm_scale: float | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact attention: float64 output like query, and float64 LSE [batch, query heads, query rows].

    is_causal: 0 no, 1 or True top left, 2 bottom right. mask is bool or float, broadcastable. A row that sees no
    key gives 0 and -infinity.
    """
    sm_scale = query.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    batch, query_heads, rows, _ = query.shape
    group = query_heads // key.shape[1]
    output = torch.empty(query.shape, dtype=torch.float64, device=query.device)
    lse = torch.empty((batch, query_heads, rows), dtype=torch.float64, device=query.device)
    if mask is not None:
        mask = mask.expand(batch, query_heads, rows, key.shape[2])
    for b in range(batch):
        for h in range(query_heads):
            output[b, h], lse[b, h] = _one_head(
                query[b, h],
                key[b, h // group],
                value[b, h // group],
                is_causal,
                sm_scale,
                None if mask is None else mask[b, h],
            )
    return output, lse


def _one_head(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: int,
    sm_scale: float,
    mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = query.double() @ key.double().T * sm_scale
    if mask is not None and mask.dtype == torch.bool:
        scores.masked_fill_(~mask, float("-inf"))
    elif mask is not None:
        scores += mask.double()
    if is_causal:
        shift = key.shape[0] - query.shape[0] if is_causal == _abi.CAUSAL_BOTTOM_RIGHT else 0
        visible = torch.ones_like(scores, dtype=torch.bool).tril(shift)
        scores.masked_fill_(~visible, float("-inf"))
    lse = scores.logsumexp(-1)
    weights = torch.exp(scores - lse[:, None]).nan_to_num(0.0)
    return weights @ value.double(), lse


def quantized_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: int = False,
    sm_scale: float | None = None,
    granularity: int = _abi.PER_THREAD,
    smooth_k: bool = True,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What sageattn computes, up to the rounding of the softmax weights to float16."""
    sm_scale = query.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    mean = key.float().mean(2) if smooth_k else None
    q_int8, q_scale = quantize(query, _abi.QUERY, granularity)
    k_int8, k_scale = quantize(key, _abi.KEY, granularity, mean)
    output, lse = attention(
        dequantize(q_int8, q_scale, _abi.QUERY, granularity),
        dequantize(k_int8, k_scale, _abi.KEY, granularity),
        value,
        is_causal,
        sm_scale,
        mask,
    )
    if mean is not None:
        group = query.shape[1] // key.shape[1]
        shift = mean.double().repeat_interleave(group, 1)
        lse = lse + sm_scale * (query.double() @ shift[..., None]).squeeze(-1)
    return output, lse


def varlen_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_starts: list[int],
    key_starts: list[int],
    is_causal: int = False,
    sm_scale: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact attention of sequences behind each other, [rows, heads, head_dim]; LSE [query heads, rows]."""
    output = torch.empty(query.shape, dtype=torch.float64, device=query.device)
    lse = torch.empty(query.shape[1::-1], dtype=torch.float64, device=query.device)
    for i in range(len(query_starts) - 1):
        rows, keys = slice(*query_starts[i : i + 2]), slice(*key_starts[i : i + 2])
        q, k, v = (x.transpose(0, 1)[None] for x in (query[rows], key[keys], value[keys]))
        one, one_lse = attention(q, k, v, is_causal, sm_scale)
        output[rows], lse[:, rows] = one[0].transpose(0, 1), one_lse[0]
    return output, lse
