"""The public attention functions, with the signatures of SageAttention 2.2, and the names of its core module.

Inputs are float16 or bfloat16 CUDA tensors, HND [batch, heads, rows, head_dim] or NHD
[batch, rows, heads, head_dim], with a contiguous head dim of at most 256. Query heads may be a multiple of
the key heads. Inputs are never written. Which kernel serves a call: python -m sageattention.

Every function takes, besides its own, these keywords: attn_mask (bool, True where a key is seen, or
float, added to the scaled scores; broadcastable to [batch, query heads, query rows, key rows] in
both layouts; together with is_causal both hold), scale (torch's name of sm_scale), causal_alignment
("top_left", the default: query i sees keys 0 to i; "bottom_right": query i sees keys 0 to i + key
rows - query rows). sageattn and sageattn_varlen also take always_quantize: see sageattn. Further
keywords are ignored, as in 2.2. Under torch.autocast float32 inputs are cast to autocast's dtype. A
row that sees no key gives 0 and LSE -infinity.
"""

from __future__ import annotations

from typing import Any, Union

import torch

from . import _abi, _direct
from ._calls import takes_torchs_calls
from ._compatibility import lazy_names
from ._errors import InputError
from ._forward import Forward, ForwardVarlen
from ._namespace import OPERATORS
from ._options import (
    Options,
    cast_for_autocast,
    check_tensors,
    int32_starts,
    largest_length,
    method_of,
    usable_mask,
    warn_unused_smoothing,
)
from ._shapes import is_nhd

Result = Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]

__getattr__ = lazy_names(__name__)


@takes_torchs_calls
def sageattn(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    is_causal: bool = False,
    sm_scale: float | None = None,
    return_lse: bool = False,
    *,
    attn_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> Result:
    """Attention by the best kernel for the tensors' GPU: INT8 query and key, float16 or FP8 value.

    sm_scale defaults to head_dim ** -0.5. Returns output in q's dtype, contiguous in the given layout, and with
    return_lse also float32 [batch, query heads, query rows] natural logarithms of the softmax denominators.

    Keys are always smoothed (their mean is subtracted, which softmax does not see): smooth_k is
    ignored, as in 2.2. sageattn takes the place of
    torch.nn.functional.scaled_dot_product_attention: query, key and value are other names of q, k
    and v, and a mask may be the fourth argument, before dropout_p and is_causal, as in torch. The
    sageattn_qk_int8_pv_... functions accept torch's names and order too.

    Where a table, measured on this model of GPU, says that quantising such a call loses, the call goes to torch's own
    attention, whose output is more precise (never with return_lse, and only what torch computes alike); describe()
    tells. always_quantize=True and SAGEATTN_ALWAYS=1 keep every call, and without a table nothing is handed over.

    Raises InputError, which is an AssertionError and a ValueError, for tensors that are not all float16 or
    all bfloat16, not on one GPU or not contiguous in the head dim, and for masks that do not fit; ValueError for
    shapes and options, NotImplementedError where a gradient is needed, RuntimeError when no kernel can run.
    """
    options = Options.of(kwargs, is_causal, sm_scale)
    return _attend(
        q, k, v, attn_mask, tensor_layout, options, options.auto, "per_thread", True, return_lse
    )


@takes_torchs_calls
def sageattn_qk_int8_pv_fp16_triton(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    quantization_backend: str = "triton",
    is_causal: bool = False,
    attn_mask: torch.Tensor | None = None,
    sm_scale: float | None = None,
    smooth_k: bool = True,
    return_lse: bool = False,
    **kwargs: Any,
) -> Result:
    """As sageattn, with the Triton kernels where Triton is installed, else with the CUDA ones.

    quantization_backend is "triton" or "cuda" (ValueError otherwise): both give the same bits here.
    """
    if quantization_backend not in ("triton", "cuda"):
        raise ValueError(f"Unsupported quantization backend: {quantization_backend}")
    options = Options.of(kwargs, is_causal, sm_scale)
    return _attend(
        q, k, v, attn_mask, tensor_layout, options, "triton", "per_block", smooth_k, return_lse
    )


@takes_torchs_calls
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
    *,
    attn_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> Result:
    """As sageattn with float16 values, and the granularity of the scales and smoothing chosen by the caller.

    qk_quant_gran is "per_thread" or "per_warp" (InputError otherwise). pv_accum_dtype is "fp32",
    "fp16+fp32" (float16 within a key tile) or "fp16". "fp16" computes like "fp16+fp32": no value
    overflows, so that smooth_v has nothing to improve. smooth_v is accepted with "fp16"; with the
    others it is ignored with a warning.
    """
    method = method_of("fp16", pv_accum_dtype)
    warn_unused_smoothing(smooth_v, pv_accum_dtype, "fp16")
    options = Options.of(kwargs, is_causal, sm_scale)
    return _attend(
        q, k, v, attn_mask, tensor_layout, options, method, qk_quant_gran, smooth_k, return_lse
    )


@takes_torchs_calls
def sageattn_qk_int8_pv_fp8_cuda(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    is_causal: bool = False,
    qk_quant_gran: str = "per_thread",
    sm_scale: float | None = None,
    pv_accum_dtype: str = "fp32+fp16",
    smooth_k: bool = True,
    smooth_v: bool = False,
    return_lse: bool = False,
    *,
    attn_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> Result:
    """As sageattn with E4M3 values, one scale a channel.

    pv_accum_dtype is "fp32", "fp32+fp32" (the same here), "fp32+fp16" (float16 within a key tile) or "scaled" (float32,
    by the product with scales of SM 12.x, else the same as "fp32"). Values are
    always smoothed, so that their mean is not rounded away; smooth_v is ignored, with 2.2's warning where 2.2
    warns. What no FP8 kernel
    takes (GPUs without one; masks and lengths that differ, but on SM 9.0) takes float16 values, which are more precise.
    """
    method = method_of("fp8", pv_accum_dtype)
    warn_unused_smoothing(smooth_v, pv_accum_dtype, "fp32")
    options = Options.of(kwargs, is_causal, sm_scale)
    return _attend(
        q, k, v, attn_mask, tensor_layout, options, method, qk_quant_gran, smooth_k, return_lse
    )


@takes_torchs_calls
def sageattn_qk_int8_pv_fp8_cuda_sm90(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    tensor_layout: str = "HND",
    is_causal: bool = False,
    qk_quant_gran: str = "per_thread",
    sm_scale: float | None = None,
    pv_accum_dtype: str = "fp32+fp32",
    smooth_k: bool = True,
    return_lse: bool = False,
    *,
    attn_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> Result:
    """As sageattn_qk_int8_pv_fp8_cuda; SM 9.0 takes its wgmma kernels. Other GPUs are served too.

    pv_accum_dtype is "fp32+fp32"; "fp32" raises NotImplementedError as in 2.2, anything else ValueError.
    """
    method = method_of("fp8_sm90", pv_accum_dtype)
    options = Options.of(kwargs, is_causal, sm_scale)
    return _attend(
        q, k, v, attn_mask, tensor_layout, options, method, qk_quant_gran, smooth_k, return_lse
    )


def sageattn_varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int | torch.Tensor,
    max_seqlen_k: int | torch.Tensor,
    is_causal: bool = False,
    sm_scale: float | None = None,
    smooth_k: bool = True,
    *,
    attn_mask: torch.Tensor | None = None,
    return_lse: bool = False,
    **kwargs: Any,
) -> Result:
    """Attention of sequences that lie behind each other: q, k, v [rows of all sequences, heads, head_dim].

    cu_seqlens (int32 or int64 [batch + 1], contiguous) says where each sequence begins and the last one ends;
    max_seqlen is the largest length, a number or a tensor of one element: torch.compile may trace
    it as a tensor without breaking the graph. Nothing waits for the GPU, unless such a tensor lies
    on the GPU. Causal masks are aligned per sequence, keys are
    smoothed per sequence. Besides what 2.2 offers there are attn_mask, which broadcasts to [batch, query heads,
    max_seqlen_q, max_seqlen_k], and return_lse, which adds float32 [query heads, rows of all sequences]. Only the
    CUDA kernels serve these two: on a GPU that takes Triton a mask raises RuntimeError, an LSE NotImplementedError.
    """
    options = Options.of(kwargs, is_causal, sm_scale)
    q, k, v = cast_for_autocast(q, k, v)
    check_tensors(q, k, v)
    query_starts = int32_starts(cu_seqlens_q, q)
    same = cu_seqlens_k is cu_seqlens_q
    key_starts = query_starts if same else int32_starts(cu_seqlens_k, k)
    query_rows, largest_query = largest_length("max_seqlen_q", max_seqlen_q, q.shape[0])
    key_rows, largest_key = largest_length("max_seqlen_k", max_seqlen_k, k.shape[0])
    arguments = (
        q, k, v, usable_mask(attn_mask, q), query_starts, key_starts, query_rows, key_rows,
        options.causal, options.scale(q), options.auto, _abi.PER_THREAD, bool(smooth_k), bool(return_lse),
        largest_query, largest_key,
    )  # fmt: skip
    found: tuple[Any, Any] | None = None
    if not torch.compiler.is_compiling():
        found = _direct.attend(ForwardVarlen(*arguments))
    if found is None:
        found = OPERATORS.forward_varlen(*arguments)
    output, lse = found
    return (output, lse) if return_lse else output


_GRANULARITIES = {
    "per_block": _abi.PER_BLOCK,
    "per_warp": _abi.PER_WARP,
    "per_thread": _abi.PER_THREAD,
}


def _attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    attn_mask: torch.Tensor | None,
    tensor_layout: str,
    options: Options,
    method: str,
    qk_quant_gran: str,
    smooth_k: bool,
    return_lse: bool,
) -> Result:
    nhd = is_nhd(tensor_layout)
    smooth_k, return_lse = bool(smooth_k), bool(return_lse)
    allowed = ("per_block",) if method == "triton" else ("per_warp", "per_thread")
    if qk_quant_gran not in allowed:
        raise InputError("qk_quant_gran must be either 'per_warp' or 'per_thread'.")
    rest = nhd, options.causal, options.scale(q), method, _GRANULARITIES[qk_quant_gran], smooth_k, return_lse
    found: tuple[Any, Any] | None = None
    if not torch.compiler.is_compiling():
        found = _direct.attend(Forward(q, k, v, attn_mask, *rest))
    if found is None:
        q, k, v = cast_for_autocast(q, k, v)
        check_tensors(q, k, v)
        found = OPERATORS.forward(q, k, v, usable_mask(attn_mask, q), *rest)
    output, lse = found
    return (output, lse) if return_lse else output
