"""How known callers write their calls. Each takes query, key and value as HND tensors and gives the output as HND.

Ours are written after what those projects document; they run with fake tensors on a CPU and with real ones on a GPU.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Callable

import torch

import sageattention

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _nhd(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.transpose(1, 2) for tensor in tensors]


def diffusers(name: str) -> Attention:
    """The dense backends: keywords only, NHD, output and LSE."""

    def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = _nhd(q, k, v)
        out = getattr(sageattention, name)(
            q=q, k=k, v=v, tensor_layout="NHD", is_causal=False, sm_scale=None, return_lse=True
        )
        out, lse, *_ = out
        assert lse.permute(0, 2, 1).shape == out.shape[:3]
        return out.transpose(1, 2)

    return call


def _to_varlen(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2).flatten(0, 1)


def _starts(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.arange(x.shape[0] + 1, dtype=dtype, device=x.device) * x.shape[2]


def _from_varlen(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return x.unflatten(0, (like.shape[0], like.shape[2])).transpose(1, 2)


def diffusers_varlen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = sageattention.sageattn_varlen(
        q=_to_varlen(q),
        k=_to_varlen(k),
        v=_to_varlen(v),
        cu_seqlens_q=_starts(q, torch.int32),
        cu_seqlens_k=_starts(k, torch.int32),
        max_seqlen_q=q.shape[2],
        max_seqlen_k=k.shape[2],
        is_causal=False,
        sm_scale=None,
    )
    return _from_varlen(out, q)


def musubi_tuner(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """All by position."""
    starts, key_starts = _starts(q, torch.int32), _starts(k, torch.int32)
    rows, keys = q.shape[2], k.shape[2]
    out = sageattention.sageattn_varlen(
        _to_varlen(q), _to_varlen(k), _to_varlen(v), starts, key_starts, rows, keys
    )
    return _from_varlen(out, q)


def comfyui(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Asks the signature for masks; smooth_k=False comes from version 1, which wrote k."""
    takes_masks = "attn_mask" in inspect.signature(sageattention.sageattn).parameters
    mask = torch.ones(1, 1, q.shape[2], k.shape[2], dtype=torch.bool, device=q.device)
    keywords: dict[str, Any] = {"attn_mask": mask} if takes_masks else {}
    out = sageattention.sageattn(
        q, k, v, is_causal=False, tensor_layout="HND", sm_scale=None, smooth_k=False, **keywords
    )
    return out  # type: ignore[return-value]


def comfyui_old(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = _nhd(q, k, v)
    out = sageattention.sageattn(q, k, v, attn_mask=None, is_causal=False, tensor_layout="NHD")
    return out.transpose(1, 2)  # type: ignore[union-attr]


def kjnodes(name: str, **keywords: Any) -> Attention:
    def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        function = getattr(sageattention, name)
        out = function(q, k, v, is_causal=False, attn_mask=None, tensor_layout="HND", **keywords)
        return out  # type: ignore[no-any-return]

    return call


def wan_video_wrapper(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = sageattention.sageattn(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False)
    return out  # type: ignore[return-value]


def yunchang(name: str, **keywords: Any) -> Attention:
    """xDiT and yunchang: a partial whose result is a pair."""
    function = partial(
        getattr(sageattention, name), tensor_layout="NHD", return_lse=True, **keywords
    )

    def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out, lse = function(*_nhd(q, k, v), is_causal=False, sm_scale=q.shape[-1] ** -0.5)
        assert lse.shape == q.shape[:3]
        return out.transpose(1, 2)  # type: ignore[no-any-return]

    return call


def light_x2v(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return sageattention.sageattn(*_nhd(q, k, v), tensor_layout="NHD").transpose(1, 2)  # type: ignore[union-attr]


def light_x2v_lse(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Parallel over rows, it merges the outputs of several calls by their LSE."""
    scale = q.shape[-1] ** -0.5
    out, lse = sageattention.sageattn(
        *_nhd(q, k, v), tensor_layout="NHD", sm_scale=scale, return_lse=True
    )
    assert lse.shape == q.shape[:3]
    return out.transpose(1, 2)


def vllm_omni(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    scale = q.shape[-1] ** -0.5
    out = sageattention.sageattn(
        *_nhd(q, k, v), tensor_layout="NHD", is_causal=False, sm_scale=scale
    )
    return out.transpose(1, 2)  # type: ignore[union-attr]


def _kjnodes_quantised(q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, ...]:
    from sageattention.core import per_warp_int8_cuda

    km = k.mean(dim=2, keepdim=True)
    return per_warp_int8_cuda(q, k, km, tensor_layout="HND", BLKQ=128, WARPQ=32, BLKK=64)


def kjnodes_patch_fp16(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """What its patch for little memory takes out of the core module, in its order."""
    from sageattention.core import sm80_compile

    q_int8, q_scale, k_int8, k_scale = _kjnodes_quantised(q, k)
    output = torch.empty_like(q)
    sm80_compile.qk_int8_sv_f16_accum_f32_attn(
        q_int8, k_int8, v.half(), output, q_scale, k_scale, 1, 0, 2, q.shape[-1] ** -0.5, 0
    )
    return output


def kjnodes_patch_fp8(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The same with E4M3 values, for the GPUs that have a kernel for them."""
    from sageattention.core import per_channel_fp8, sm89_compile

    q_int8, q_scale, k_int8, k_scale = _kjnodes_quantised(q, k)
    v_fp8, v_scale, _ = per_channel_fp8(v, tensor_layout="HND", smooth_v=False)
    output = torch.empty_like(q)
    sm89_compile.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf(
        q_int8, k_int8, v_fp8, output, q_scale, k_scale, v_scale, 1, 0, 2, q.shape[-1] ** -0.5, 0
    )
    return output


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """F.scaled_dot_product_attention = sageattn, called in torch's ways."""
    function = sageattention.sageattn
    function(q, k, v, None, 0.0, False)
    function(q, k, v, None, 0, is_causal=True)
    function(query=q, key=k, value=v)
    function(q, k, value=v, attn_mask=None, scale=0.1)
    function(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False)
    return function(q, k, v, scale=q.shape[-1] ** -0.5, enable_gqa=True)  # type: ignore[return-value]


def diffusers_native(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Its native backends where torch.nn.functional.scaled_dot_product_attention is replaced: names alone."""
    original = torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.scaled_dot_product_attention = sageattention.sageattn  # type: ignore[assignment]
    try:
        return torch.nn.functional.scaled_dot_product_attention(
            query=q,
            key=k,
            value=v,
            attn_mask=None,
            dropout_p=0.0,
            is_causal=False,
            scale=None,
            enable_gqa=False,
        )
    finally:
        torch.nn.functional.scaled_dot_product_attention = original


_FP8, _SM90 = "sageattn_qk_int8_pv_fp8_cuda", "sageattn_qk_int8_pv_fp8_cuda_sm90"
_FP16, _TRITON = "sageattn_qk_int8_pv_fp16_cuda", "sageattn_qk_int8_pv_fp16_triton"

CALLERS: dict[str, Attention] = {
    "diffusers sage": diffusers("sageattn"),
    "diffusers sage_varlen": diffusers_varlen,
    "diffusers native": diffusers_native,
    "diffusers fp8_cuda": diffusers(_FP8),
    "diffusers fp8_cuda_sm90": diffusers(_SM90),
    "diffusers fp16_cuda": diffusers(_FP16),
    "diffusers fp16_triton": diffusers(_TRITON),
    "ComfyUI": comfyui,
    "ComfyUI old": comfyui_old,
    "KJNodes auto": kjnodes("sageattn"),
    "KJNodes fp16_cuda": kjnodes(_FP16, pv_accum_dtype="fp32"),
    "KJNodes fp16_triton": kjnodes(_TRITON),
    "KJNodes fp8_cuda": kjnodes(_FP8, pv_accum_dtype="fp32+fp32"),
    "KJNodes fp8_cuda++": kjnodes(_FP8, pv_accum_dtype="fp32+fp16"),
    "KJNodes patch fp16": kjnodes_patch_fp16,
    "WanVideoWrapper": wan_video_wrapper,
    "yunchang sage": yunchang("sageattn"),
    "yunchang fp16": yunchang(_FP16, pv_accum_dtype="fp32"),
    "yunchang fp16+fp32": yunchang(_FP16, pv_accum_dtype="fp16+fp32"),
    "yunchang fp16_triton": yunchang(_TRITON, quantization_backend="cuda"),
    "yunchang fp8": yunchang(_FP8, pv_accum_dtype="fp32+fp32"),
    "yunchang fp8_sm90": yunchang(_SM90, pv_accum_dtype="fp32+fp32"),
    "musubi-tuner": musubi_tuner,
    "LightX2V": light_x2v,
    "LightX2V LSE": light_x2v_lse,
    "vllm-omni": vllm_omni,
    "F.scaled_dot_product_attention": sdpa,
}
