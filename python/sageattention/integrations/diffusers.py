"""diffusers' backend "sage" with masks and grouped heads, which its own version of it refuses.

    from sageattention.integrations import diffusers as sage

    sage.enable()
    pipe.transformer.set_attention_backend("sage")     # or DIFFUSERS_ATTN_BACKEND=sage

Its names of backends are fixed, so that this one keeps its name.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from ..core import sageattn

_original: Callable[..., Any] | None = None


def enable() -> None:
    """Serves the backend "sage" from here until disable(). Twice is as good as once.

    Raises RuntimeError for a diffusers that keeps its backends otherwise than 0.42 does.
    """
    global _original
    if _original is not None:
        return
    registry, backend = _registry()
    original = registry._backends[backend]
    _replace(registry, backend, _attention)
    _original = original


def disable() -> None:
    """Gives the backend "sage" back to diffusers."""
    global _original
    if _original is not None:
        _replace(*_registry(), _original)
        _original = None


def _registry() -> tuple[Any, Any]:
    from diffusers.models import attention_dispatch as dispatch

    try:
        registry, backend = dispatch._AttentionBackendRegistry, dispatch.AttentionBackendName.SAGE
        registry._backends[backend], registry._constraints[backend]
    except (AttributeError, KeyError) as error:
        raise RuntimeError(
            f"this diffusers has no backend sage where 0.42 has it: {error!r}; its own one serves "
            "calls without a mask"
        ) from error
    return registry, backend


def _replace(registry: Any, backend: Any, function: Callable[..., Any]) -> None:
    """Registers a function as a backend is registered, which also reads its parameters."""
    registry.register(backend, constraints=registry._constraints[backend])(function)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    _parallel_config: Any = None,
) -> Any:
    """Attention of [batch, rows, heads, head_dim]; a mask of [batch, key rows] is per key.

    Calls that several GPUs share go to diffusers' own function, which has the exchange between GPUs.
    """
    if _parallel_config is not None and _original is not None:
        return _original(
            query, key, value, attn_mask, is_causal, scale, return_lse, _parallel_config
        )
    if attn_mask is not None and attn_mask.shape == (query.shape[0], key.shape[1]):
        attn_mask = attn_mask.unsqueeze(1).unsqueeze(1)
    return sageattn(
        query, key, value, tensor_layout="NHD", is_causal=is_causal, sm_scale=scale,
        return_lse=return_lse, attn_mask=attn_mask,
    )  # fmt: skip
