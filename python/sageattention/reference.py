"""What the kernels compute, in plain PyTorch on any device: the oracle of the tests.

Every function takes HND tensors [batch, heads, rows, head_dim]. The quantisers give the bits of
csrc/device/quantize.cu; the attention functions work in float64, one head at a time.
"""

from __future__ import annotations

import torch

from . import _abi
from ._shapes import scale_count

_EPSILON = 1e-7
_INT8_MAX = 127.0


def scale_index(operand: int, granularity: int, rows: int) -> torch.Tensor:
    """int64 [rows]: which scale of its head each row uses. Rule: csrc/host/sageattn.h."""
    row = torch.arange(rows)
    warp, block = row // _abi.QUERY_WARP, row // _abi.KEY_BLOCK
    rules: dict[tuple[int, int], torch.Tensor] = {
        (_abi.QUERY, _abi.PER_BLOCK): row // _abi.QUERY_BLOCK,
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
) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 like tensor, and float32 scales [batch, heads, scales per head].

    mean, float32 [batch, heads, head_dim], is subtracted first. A scale that no row uses is that of zeros.
    The order of the float32 operations is that of csrc/host/sageattn.h: another one gives other bits.
    """
    centred = tensor.float()
    if mean is not None:
        centred = centred - mean[:, :, None, :]
    batch, heads, rows, _ = tensor.shape
    index = scale_index(operand, granularity, rows).to(tensor.device).expand(batch, heads, rows)
    count = scale_count(operand, granularity, rows)
    largest = torch.full((batch, heads, count), _EPSILON, device=tensor.device)
    largest.scatter_reduce_(-1, index, centred.abs().amax(-1), "amax")
    inverse = largest.reciprocal() * _INT8_MAX
    steps = centred * inverse.gather(-1, index)[..., None]
    return steps.round().clamp_(-_INT8_MAX, _INT8_MAX).to(torch.int8), largest * (1 / _INT8_MAX)


def dequantize(
    tensor: torch.Tensor, scale: torch.Tensor, operand: int, granularity: int
) -> torch.Tensor:
    """float32 values that quantised rows stand for."""
    index = scale_index(operand, granularity, tensor.shape[2]).to(tensor.device)
    return tensor.float() * scale[:, :, index, None]


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: bool = False,
    sm_scale: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact attention: float64 output like query, and float64 LSE [batch, query heads, query rows].

    Causal masks are aligned top left. A row that sees no key gives 0 and -infinity.
    """
    sm_scale = query.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    batch, query_heads, rows, _ = query.shape
    group = query_heads // key.shape[1]
    output = torch.empty(query.shape, dtype=torch.float64, device=query.device)
    lse = torch.empty((batch, query_heads, rows), dtype=torch.float64, device=query.device)
    for b in range(batch):
        for h in range(query_heads):
            output[b, h], lse[b, h] = _one_head(
                query[b, h], key[b, h // group], value[b, h // group], is_causal, sm_scale
            )
    return output, lse


def _one_head(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, is_causal: bool, sm_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = query.double() @ key.double().T * sm_scale
    if is_causal:
        visible = torch.ones_like(scores, dtype=torch.bool).tril()
        scores.masked_fill_(~visible, float("-inf"))
    lse = scores.logsumexp(-1)
    weights = torch.exp(scores - lse[:, None]).nan_to_num(0.0)
    return weights @ value.double(), lse


def quantized_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_causal: bool = False,
    sm_scale: float | None = None,
    granularity: int = _abi.PER_THREAD,
    smooth_k: bool = True,
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
    )
    if mean is not None:
        group = query.shape[1] // key.shape[1]
        shift = mean.double().repeat_interleave(group, 1)
        lse = lse + sm_scale * (query.double() @ shift[..., None]).squeeze(-1)
    return output, lse
