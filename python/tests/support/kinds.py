"""The kernels that this GPU has, the error that each may make, and attention at their precision in PyTorch."""

from __future__ import annotations

import torch

from sageattention import _abi, _dispatch, _kernels, reference
from sageattention._call import Request, mask_form
from sageattention._kinds import KINDS
from sageattention._operand import MASK, Operand
from support.accuracy import compare

# Those that take dense calls without a mask.
PLAIN = tuple(kind.name for kind in KINDS.values() if _dispatch.takes(kind, "", varlen=False))
FP8_KINDS = tuple(kind.name for kind in KINDS.values() if kind.e4m3)
FP8_BOUND = 0.04
LSE_BOUND = dict.fromkeys(FP8_KINDS, 0.07)  # of probabilities as rounded to E4M3
ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8}


def available(kind: str, head_dim: int) -> bool:
    """Whether the current GPU has a kernel of a kind for a head dim."""
    return _kernels.has(torch.cuda.current_device(), KINDS[kind], head_dim)


def kind_of(
    method: str,
    query: torch.Tensor,
    mask: torch.Tensor | None = None,
    keys: int = 0,
    varlen: bool = False,
) -> str:
    """The kind of kernel that a method takes for these HND queries and a mask over so many keys."""
    bfloat16 = query.dtype == torch.bfloat16
    form = ""
    if mask is not None:
        form = mask_form(Operand.of(MASK, mask.expand(*query.shape[:3], keys)))
    request = Request(method, query.shape[-1], bfloat16, form, varlen)
    return _dispatch.choose(query.device.index, request).kind


def same_precision(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: int = 0,
    sm_scale: float | None = None,
    granularity: int = _abi.PER_THREAD,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of HND tensors in PyTorch with INT8 queries and smoothed keys, weights in the values' dtype."""
    q_int8, q_scale = reference.quantize(q, _abi.QUERY, granularity)
    k_int8, k_scale = reference.quantize(k, _abi.KEY, granularity, k.float().mean(2))
    q8 = reference.dequantize(q_int8, q_scale, _abi.QUERY, granularity)
    k8 = reference.dequantize(k_int8, k_scale, _abi.KEY, granularity)
    group = q.shape[1] // k.shape[1]
    k8, values = (x.repeat_interleave(group, 1) for x in (k8, v.float()))
    scale = q.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    scores = hide(q8 @ k8.transpose(2, 3) * scale, causal, mask)
    weights = torch.exp(scores - scores.amax(-1, keepdim=True).clamp_min(-1e30))
    output = weights.to(v.dtype).float() @ values / weights.sum(-1, keepdim=True)
    return output.nan_to_num(0.0).to(q.dtype)


def hide(scores: torch.Tensor, causal: int, mask: torch.Tensor | None) -> torch.Tensor:
    """Scores with a mask added and what causal hides at -infinity."""
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif mask is not None:
        scores = scores + mask.to(scores.dtype)
    if causal:
        shift = scores.shape[-1] - scores.shape[-2] if causal == _abi.CAUSAL_BOTTOM_RIGHT else 0
        visible = torch.ones_like(scores, dtype=torch.bool).tril(shift)
        scores = scores.masked_fill(~visible, float("-inf"))
    return scores


def exact(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: int = 0,
    sm_scale: float | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """reference.attention for HND tensors, all heads at once: float64 output and LSE."""
    group = q.shape[1] // k.shape[1]
    keys, values = (x.double().repeat_interleave(group, 1) for x in (k, v))
    scale = q.shape[-1] ** -0.5 if sm_scale is None else sm_scale
    scores = hide(q.double() @ keys.transpose(2, 3) * scale, causal, mask)
    lse = scores.logsumexp(-1)
    weights = torch.exp(scores - lse[..., None]).nan_to_num(0.0)
    return weights @ values, lse


def check(
    kind: str,
    output: torch.Tensor,
    expected: torch.Tensor,
    rough: torch.Tensor,
    fp8_bound: float = FP8_BOUND,
) -> None:
    """Fails unless output is as near to expected as its kind must be; rough is same_precision's output.

    float16 values: relative L1 at most twice that of rough, plus the rounding of the dtype. E4M3: a fixed bound.
    """
    found = compare(output, expected)
    if kind in FP8_KINDS:
        assert found.good(fp8_bound), (kind, found)
        return
    allowed = 2 * compare(rough, expected).relative_l1 + ROUNDING[output.dtype]
    assert found.relative_l1 <= allowed, (kind, found, allowed)
