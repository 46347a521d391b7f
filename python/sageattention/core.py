"""The public attention functions, with the signatures of SageAttention 2.2.

Inputs are float16 or bfloat16 CUDA tensors, HND [batch, heads, rows, head_dim] or NHD
[batch, rows, heads, head_dim], with a contiguous head dim of at most 128. Query heads may be a multiple of
the key heads. Causal masks are aligned top left: query i sees keys 0 to i. Inputs are never written.
"""

from __future__ import annotations

import warnings
from typing import Any, Union

import torch
import torch.nn.functional as F

from . import _abi
from ._diagnosis import why_no_gpu
from ._shapes import DTYPES, HEAD_DIMS, is_nhd

Result = Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

_GRANULARITIES = {"per_warp": _abi.PER_WARP, "per_thread": _abi.PER_THREAD}


def sageattn(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    is_causal: bool = False,
    sm_scale: float | None = None,
    return_lse: bool = False,
    **kwargs: Any,
) -> Result:
    """Attention with INT8 query and key, FP16 value, by the best kernel for the tensors' GPU.

    sm_scale defaults to head_dim ** -0.5; torch's name for it, scale, is accepted too. Returns output in
    q's dtype, contiguous in the given layout before padded head dims are cut off, and with return_lse
    also float32 [batch, query heads, query rows] natural logarithms of the softmax denominators.

    Keys are always smoothed (their mean is subtracted, which softmax does not see): smooth_k is ignored,
    as in 2.2. attn_mask and dropout_p would change the result and raise ValueError unless they are None
    and 0; any other keyword is ignored.

    Raises AssertionError for tensors that are not float16/bfloat16, not on one GPU or not contiguous in
    the head dim, ValueError for shapes, NotImplementedError where a gradient is needed, RuntimeError when
    no kernel can run.
    """
    _refuse_masks(kwargs)
    sm_scale = kwargs.get("scale") if sm_scale is None else sm_scale
    return _attend(q, k, v, tensor_layout, is_causal, sm_scale, _abi.PER_THREAD, True, return_lse)


def sageattn_qk_int8_pv_fp16_cuda(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    is_causal: bool = False,
    qk_quant_gran: str = "per_thread",
    sm_scale: float | None = None,
    pv_accum_dtype: str = "fp32",
    smooth_k: bool = True,
    smooth_v: bool = False,
    return_lse: bool = False,
    **kwargs: Any,
) -> Result:
    """As sageattn, with the granularity of the scales and the smoothing of keys chosen by the caller.

    qk_quant_gran is "per_thread" or "per_warp" (AssertionError otherwise). pv_accum_dtype is "fp32", the
    exact one; the faster and coarser "fp16+fp32" and "fp16" raise ValueError in this version. smooth_v
    matters for "fp16" alone and is ignored with a warning.
    """
    assert qk_quant_gran in _GRANULARITIES, (
        "qk_quant_gran must be either 'per_warp' or 'per_thread'."
    )
    if pv_accum_dtype != "fp32":
        raise ValueError(f"Unsupported pv_accum_dtype: {pv_accum_dtype}; this version has 'fp32'")
    if smooth_v:
        warnings.warn(
            f"pv_accum_dtype is {pv_accum_dtype}, smooth_v will be ignored.", stacklevel=2
        )
    _refuse_masks(kwargs)
    granularity = _GRANULARITIES[qk_quant_gran]
    return _attend(q, k, v, tensor_layout, is_causal, sm_scale, granularity, smooth_k, return_lse)


def _attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str,
    is_causal: bool,
    sm_scale: float | None,
    granularity: int,
    smooth_k: bool,
    return_lse: bool,
) -> Result:
    nhd = is_nhd(tensor_layout)
    _check_tensors(q, k, v)
    head_dim = q.shape[-1]
    padding = padded_head_dim(head_dim) - head_dim
    if padding:
        q, k, v = (F.pad(tensor, (0, padding)) for tensor in (q, k, v))
    output, lse = torch.ops.sageattention.forward(
        q,
        k,
        v,
        nhd,
        bool(is_causal),
        head_dim**-0.5 if sm_scale is None else float(sm_scale),
        granularity,
        bool(smooth_k),
        bool(return_lse),
    )
    if padding:
        output = output.narrow(-1, 0, head_dim)
    return (output, lse) if return_lse else output


def padded_head_dim(head_dim: int) -> int:
    """The head dim of the kernel that takes head_dim after zero padding. Raises ValueError above 128."""
    for size in HEAD_DIMS:
        if head_dim <= size:
            return size
    raise ValueError(f"Unsupported head_dim: {head_dim}; at most {HEAD_DIMS[-1]}")


def _check_tensors(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    if not (q.is_cuda and k.is_cuda and v.is_cuda):
        devices = ", ".join(f"{name} is on {x.device}" for name, x in zip("qkv", (q, k, v)))
        raise AssertionError(f"Input tensors must be on cuda: {devices}; {why_no_gpu()}")
    assert q.device == k.device == v.device, (
        f"All tensors must be on the same device, got {q.device}, {k.device} and {v.device}."
    )
    assert q.dtype in DTYPES, f"Input tensors must be float16 or bfloat16, got {q.dtype}."
    assert q.dtype == k.dtype == v.dtype, (
        f"All tensors must have the same dtype, got {q.dtype}, {k.dtype} and {v.dtype}."
    )
    assert q.stride(-1) == 1 and k.stride(-1) == 1 and v.stride(-1) == 1, (
        "Last dim of qkv must be contiguous."
    )
    if not q.shape[-1] == k.shape[-1] == v.shape[-1]:
        raise ValueError(
            f"q, k and v must share head_dim, got {q.shape[-1]}, {k.shape[-1]} and {v.shape[-1]}"
        )
    if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        raise NotImplementedError(
            "sageattention has no backward pass: call it under torch.no_grad(), or detach q, k and v"
        )


def _refuse_masks(kwargs: dict[str, Any]) -> None:
    """Keywords that 2.2 swallowed although they change the result."""
    if kwargs.get("attn_mask") is not None:
        raise ValueError("attn_mask is not supported: use torch's scaled_dot_product_attention")
    if kwargs.get("dropout_p"):
        raise ValueError("dropout_p is not supported: use torch's scaled_dot_product_attention")
