"""PyTorch's flash attention served by this package, for those who switch it on.

    from sageattention.integrations import torch as sage

    sage.register()                                              # changes no call yet
    torch.nn.attention.activate_flash_attention_impl("SAGE2")
    torch.nn.attention.restore_flash_attention_impl()            # back; torch 2.11 and later

From then on scaled_dot_product_attention, wherever it takes its flash backend, and varlen_attn run
here. Calls that need a gradient, dropout, a window, ALiBi slopes, a key cache or a debug mask go to
the kernel that torch had before.
"""

from __future__ import annotations

import threading
from typing import Any, Callable

import torch
import torch.nn.attention

from .._shapes import DTYPES, MAX_HEAD_DIM
from ..core import sageattn, sageattn_varlen

NAME = "SAGE2"
# torch/nn/attention/_registry.py and torch.library.get_kernel: in the wheel of 2.10.0, not in that of 2.9.1.
FIRST_TORCH = "2.10"

_Operator = Callable[..., tuple[Any, ...]]
_Pair = tuple[torch.Tensor, torch.Tensor]


def register(name: str = NAME) -> None:
    """Adds this package to torch's list_flash_attention_impls(), under a name. Activates nothing.

    Raises RuntimeError on a torch that has no such list.
    """
    registry: Any = torch.nn.attention  # the types of an older torch lack the function as well
    if not hasattr(registry, "register_flash_attention_impl"):
        raise RuntimeError(
            f"torch {torch.__version__} has no register_flash_attention_impl, torch {FIRST_TORCH} is "
            "the first that has it; on an older one assign "
            "torch.nn.functional.scaled_dot_product_attention = sageattention.sageattn"
        )
    registry.register_flash_attention_impl(name, register_fn=Overrides)


class Overrides:
    """Two CUDA operators of aten replaced by this package's attention, until remove()."""

    def __init__(self) -> None:
        library: Any = torch.library
        self._library = library.Library("aten", "IMPL")
        for name, override in _OVERRIDES.items():
            original = library.get_kernel(f"aten::{name}", "CUDA")
            self._library.impl(
                name, override(original), "CUDA", with_keyset=True, allow_override=True
            )

    def remove(self) -> None:
        """Gives torch its own kernels back. Torch's registry calls it."""
        if self._library is not None:
            self._library._destroy()
            self._library = None


def _scaled_dot_product(original: Any) -> _Operator:
    """_scaled_dot_product_flash_attention: [batch, heads, rows, head_dim]."""

    def override(
        keys: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        return_debug_mask: bool = False,
        *,
        scale: float | None = None,
    ) -> tuple[Any, ...]:
        if dropout_p or return_debug_mask or not _fits(query, key, value):
            rest = dropout_p, is_causal, return_debug_mask
            return _by_torch(original, keys, query, key, value, *rest, scale=scale)
        output, lse = _attend(query, key, value, is_causal, scale)
        return output, lse, None, None, query.shape[2], key.shape[2], *_no_dropout(query)

    return override


def _flash_attention_forward(original: Any) -> _Operator:
    """_flash_attention_forward: [batch, rows, heads, head_dim], or [rows of all, heads, head_dim]."""

    def override(
        keys: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cum_seq_q: torch.Tensor | None,
        cum_seq_k: torch.Tensor | None,
        max_q: int,
        max_k: int,
        dropout_p: float,
        is_causal: bool,
        return_debug_mask: bool,
        *,
        scale: float | None = None,
        window_size_left: int | None = None,
        window_size_right: int | None = None,
        **others: Any,
    ) -> tuple[Any, ...]:
        lengths = cum_seq_q, cum_seq_k, max_q, max_k
        windowed = window_size_left not in (None, -1) or window_size_right not in (None, -1, 0)
        asked = any(other is not None for other in others.values())
        together = (cum_seq_q is None) == (cum_seq_k is None)
        if (
            dropout_p or return_debug_mask or windowed or asked or not together
            or not _fits(query, key, value)
        ):  # fmt: skip
            return _by_torch(
                original, keys, query, key, value, *lengths, dropout_p, is_causal, return_debug_mask,
                scale=scale, window_size_left=window_size_left,
                window_size_right=window_size_right, **others,
            )  # fmt: skip
        causal = is_causal or window_size_right == 0
        if cum_seq_q is None:
            q, k, v = (x.transpose(1, 2) for x in (query, key, value))
            output, lse = _attend(q, k, v, causal, scale)
            output = output.transpose(1, 2)
        else:
            output, lse = _attend_varlen(query, key, value, *lengths, causal, scale)
        return output, lse, *_no_dropout(query)

    return override


_OVERRIDES: dict[str, Callable[[Any], _Operator]] = {
    "_scaled_dot_product_flash_attention": _scaled_dot_product,
    "_flash_attention_forward": _flash_attention_forward,
}


_thread = threading.local()


def _by_torch(original: Any, *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """torch's own kernel, with whatever operators it calls: the first of the two calls the second.

    By then its tensors need no gradient any more, and the backward pass wants what torch's forward gave.
    """
    before = getattr(_thread, "by_torch", False)
    _thread.by_torch = True
    try:
        return original.call_boxed(*arguments, **options)  # type: ignore[no-any-return]
    finally:
        _thread.by_torch = before


def _fits(*tensors: torch.Tensor) -> bool:
    """Whether this package's kernels take such tensors: 16-bit numbers, equal head dims, no gradient.

    The gradient counts under torch.no_grad() as well: compiled training computes its forward so.
    """
    if getattr(_thread, "by_torch", False):
        return False
    head_dim = tensors[0].shape[-1]
    return head_dim <= MAX_HEAD_DIM and all(
        tensor.dtype == tensors[0].dtype in DTYPES
        and tensor.shape[-1] == head_dim
        and tensor.stride(-1) == 1
        and tensor.numel() > 0
        and not tensor.requires_grad
        for tensor in tensors
    )


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    causal: bool,
    scale: float | None,
) -> _Pair:
    """Attention of [batch, heads, rows, head_dim], and its LSE [batch, heads, rows].

    Flash attention aligns a causal mask bottom right, and compiled graphs rely on an output that is
    laid out in memory as the query is.
    """
    nhd = query.stride(1) < query.stride(2)
    tensors = (x.transpose(1, 2) if nhd else x for x in (query, key, value))
    output, lse = sageattn(
        *tensors, tensor_layout="NHD" if nhd else "HND", is_causal=causal, sm_scale=scale,
        return_lse=True, causal_alignment="bottom_right",
    )  # fmt: skip
    return _laid_out_like(query, output.transpose(1, 2) if nhd else output), lse


def _attend_varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_starts: Any,
    key_starts: Any,
    query_rows: int,
    key_rows: int,
    causal: bool,
    scale: float | None,
) -> _Pair:
    """Attention of sequences behind each other, and its LSE [heads, rows of all]."""
    output, lse = sageattn_varlen(
        query, key, value, query_starts, key_starts, query_rows, key_rows, is_causal=causal,
        sm_scale=scale, return_lse=True, causal_alignment="bottom_right",
    )  # fmt: skip
    return _laid_out_like(query, output), lse


def _laid_out_like(query: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    if output.stride() == torch.empty_like(query, device="meta").stride():
        return output
    return torch.empty_like(query).copy_(output)


def _no_dropout(query: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The random state, its unused companion and the debug mask of a call without dropout."""
    return (
        torch.zeros(2, dtype=torch.uint64, device=query.device),
        torch.zeros((), dtype=torch.uint64, device=query.device),
        query.new_empty(0),
    )
