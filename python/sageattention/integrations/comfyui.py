"""ComfyUI: an attention function for its registry, and one for the options of a single model.

    from sageattention.integrations import comfyui as sage

    sage.register()              # get_attention_function("sageattention"), for nodes that list them
    options = model.model_options.setdefault("transformer_options", {})
    options["optimized_attention_override"] = sage.override()

Grouped heads need no copies of keys and values, and a model that hands its tensors over in
containers gives them up before the attention runs. `--use-sage-attention` needs none of this.
"""

from __future__ import annotations

import logging
from typing import Any, Callable

import torch

from .._options import wants_gradient
from .._shapes import DTYPES, MAX_HEAD_DIM
from ..core import sageattn

NAME = "sageattention"
_log = logging.getLogger(__name__)
_told: set[str] = set()


def register(name: str = NAME) -> None:
    """Adds this package to the functions that get_attention_function finds. ComfyUI itself must be running."""
    from comfy.ldm.modules import attention as comfy

    function = comfy.wrap_attn(attention)
    function.container_function = from_containers
    comfy.register_attention_function(name, function)


def override() -> Callable[..., torch.Tensor]:
    """What transformer_options["optimized_attention_override"] takes: all attention of one model."""

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        return attention(*args, **kwargs)

    run.container_function = from_containers  # type: ignore[attr-defined]
    return run


def from_containers(q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """attention() of tensors in ComfyUI's AttentionTensorContainer, which it empties."""
    return attention(q.take(), k.take(), v.take(), *args, **kwargs)


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    heads: int,
    mask: torch.Tensor | None = None,
    attn_precision: torch.dtype | None = None,
    skip_reshape: bool = False,
    skip_output_reshape: bool = False,
    **kwargs: Any,
) -> torch.Tensor:
    """Attention of [batch, rows, heads * head_dim], or [batch, heads, rows, head_dim] with skip_reshape.

    The output is [batch, rows, heads * head_dim], or [batch, heads, rows, head_dim] with
    skip_output_reshape. A mask may lack the dims of batch and heads. Tensors that no kernel takes,
    models that ask for full precision (low_precision_attention=False), and training, go to
    ComfyUI's attention_pytorch; the reason is logged once.
    """
    reason = _unserved(q, heads, skip_reshape, kwargs)
    if not reason and wants_gradient(q, k, v, mask):
        reason = "a gradient is wanted"
    if reason:
        return _pytorch(
            reason, q, k, v, heads, mask=mask, attn_precision=attn_precision,
            skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape, **kwargs,
        )  # fmt: skip
    head_dim = q.shape[-1] if skip_reshape else q.shape[-1] // heads
    layout = "HND" if skip_reshape else "NHD"
    if not skip_reshape:
        q, k, v = (x.unflatten(-1, (-1, head_dim)) for x in (q, k, v))
    output: Any = sageattn(
        q, k, v, tensor_layout=layout, sm_scale=kwargs.get("scale"), attn_mask=_with_heads(mask)
    )
    if skip_reshape != skip_output_reshape:
        output = output.transpose(1, 2)
    return output if skip_output_reshape else output.flatten(2)  # type: ignore[no-any-return]


def _unserved(q: torch.Tensor, heads: int, skip_reshape: bool, kwargs: dict[str, Any]) -> str:
    """Why no kernel may take the tensors, or ""."""
    head_dim = q.shape[-1] if skip_reshape else q.shape[-1] // heads
    if kwargs.get("low_precision_attention", True) is False:
        return "the model asks for full precision"
    if q.device.type != "cuda" or q.dtype not in DTYPES:
        return f"tensors are {q.dtype} on {q.device.type}"
    return f"the head dim is {head_dim}" if head_dim > MAX_HEAD_DIM else ""


def _pytorch(reason: str, *args: Any, **kwargs: Any) -> torch.Tensor:
    from comfy.ldm.modules.attention import attention_pytorch

    if reason not in _told:
        _told.add(reason)
        _log.warning("%s: attention_pytorch serves instead of sageattention", reason)
    return attention_pytorch(*args, **kwargs)  # type: ignore[no-any-return]


def _with_heads(mask: torch.Tensor | None) -> torch.Tensor | None:
    """A mask of [query rows, key rows] or [batch, query rows, key rows] with the dims that it lacks."""
    if mask is not None and mask.ndim == 3:
        return mask.unsqueeze(1)
    return mask
