"""How known callers of SageAttention3 write their calls. Each takes query, key and value as HND tensors.

Ours are written after what those projects document; they run with fake tensors on a CPU.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from sageattn3 import sageattn3_blackwell
from sageattn3.api import sageattn3_blackwell as from_api


def copied(x: torch.Tensor) -> torch.Tensor:
    """x.contiguous(), which for a fake tensor of a GPU would ask for a driver."""
    return torch.clone(x, memory_format=torch.contiguous_format)


Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def comfyui(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """After reshaping, by position and is_causal; a failure falls back to torch."""
    out = sageattn3_blackwell(q, k, v, is_causal=False)
    return out  # type: ignore[return-value]


def kjnodes(per_block_mean: bool) -> Attention:
    """sageattn3 and sageattn3_per_block_mean: NHD by a transpose of its own, a mask that is mostly None."""

    def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (copied(x.transpose(1, 2)).transpose(1, 2) for x in (q, k, v))
        out = sageattn3_blackwell(q, k, v, is_causal=False, attn_mask=None, per_block_mean=per_block_mean)
        return out  # type: ignore[return-value]

    return call


def wan_video_wrapper(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """[batch, rows, heads, head dim], transposed views, per_block_mean named."""
    q, k, v = (copied(x.transpose(1, 2)) for x in (q, k, v))
    out = sageattn3_blackwell(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), per_block_mean=False)
    return copied(out.transpose(1, 2)).transpose(1, 2)  # type: ignore[union-attr]


def cache_dit(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """A backend of its registry: [batch, rows, heads, head dim] to contiguous HND and back."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    q, k, v = (copied(x.permute(0, 2, 1, 3)) for x in (q, k, v))
    out = sageattn3_blackwell(q, k, v, is_causal=False)
    return out.permute(0, 2, 1, 3).transpose(1, 2)  # type: ignore[union-attr]


def light_x2v(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """HND by transposing, not contiguous."""
    q, k, v = (copied(x.transpose(1, 2)) for x in (q, k, v))
    out = from_api(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return out.transpose(1, 2).flatten(2).unflatten(2, q.shape[2:]).transpose(1, 2)  # type: ignore[union-attr]


def sglang(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """sm_scale, which the original ignores."""
    out = sageattn3_blackwell(q, k, v, is_causal=False, sm_scale=q.shape[-1] ** -0.5)
    return out  # type: ignore[return-value]


def sage2_idioms(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """A program that hands on what it gives SageAttention 2."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    keywords: dict[str, Any] = {"tensor_layout": "NHD", "attn_mask": None, "dropout_p": 0.0, "pv_accum_dtype": "fp32"}
    out = sageattn3_blackwell(q, k, v, **keywords)
    return out.transpose(1, 2)  # type: ignore[union-attr]


def ring_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Merges the outputs of parts of the keys by their LSE; k and v go on to the next rank, unchanged."""
    merged, total = None, None
    for part in range(2):
        size = k.shape[2] // 2
        keys, values = (x.narrow(2, part * size, size) for x in (k, v))
        out, lse = sageattn3_blackwell(q, keys, values, return_lse=True)
        assert lse.dtype == torch.float32 and lse.shape == q.shape[:3]
        if merged is None or total is None:
            merged, total = out.float(), lse
            continue
        both = torch.logaddexp(total, lse)
        before, now = ((x - both).exp().unsqueeze(-1) for x in (total, lse))
        merged = merged * before + out.float() * now
        total = both
    assert merged is not None
    return merged.to(q.dtype)


CALLERS: dict[str, Attention] = {
    "ComfyUI": comfyui,
    "KJNodes sageattn3": kjnodes(False),
    "KJNodes sageattn3_per_block_mean": kjnodes(True),
    "WanVideoWrapper": wan_video_wrapper,
    "cache-dit": cache_dit,
    "LightX2V": light_x2v,
    "SGLang": sglang,
    "idioms of SageAttention 2": sage2_idioms,
    "ring attention": ring_attention,
}
