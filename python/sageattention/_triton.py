"""The Triton path, imported only when it is used: the package works without Triton."""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ._dispatch import Request
    from ._paths import Call


@functools.cache
def installed() -> bool:
    """Whether Triton and this package's Triton kernels can be imported. Imports neither."""
    if importlib.util.find_spec("triton") is None:
        return False
    here = importlib.util.find_spec("sageattention.triton")
    return (
        here is not None and importlib.util.find_spec("sageattention.triton._attention") is not None
    )


def why_not(sm: tuple[int, int], request: Request) -> str:
    """Why Triton cannot serve a request on a GPU, or ""."""
    if not installed():
        return "Triton is not installed"
    if request.varlen and request.masked:
        return "Triton takes no mask for sequences of different lengths"
    oldest = (8, 0) if request.bfloat16 else (7, 5)
    if sm < oldest:
        dtype = "bfloat16" if request.bfloat16 else "float16"
        return f"Triton takes {dtype} from SM {oldest[0]}.{oldest[1]} on"
    return ""


def run(call: Call) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes a call with the Triton kernels: output and LSE, which is empty if it was not asked for.

    Raises NotImplementedError for the LSE of sequences of different lengths.
    """
    from .triton import _attention  # type: ignore[import-not-found,unused-ignore]

    if call.lengths is None:
        return _attention.attention(  # type: ignore[no-any-return,unused-ignore]
            call.query,
            call.key,
            call.value,
            call.nhd,
            call.causal,
            call.sm_scale,
            call.smooth_k,
            call.mask,
            call.lse is not None,
        )
    if call.lse is not None:
        raise NotImplementedError("the Triton path of sageattn_varlen gives no LSE")
    query, key = call.lengths
    output = _attention.attention_varlen(
        call.query[0],
        call.key[0],
        call.value[0],
        query.starts,
        key.starts,
        query.rows,
        key.rows,
        call.causal,
        call.sm_scale,
        call.smooth_k,
    )
    return output, output.new_empty(0, dtype=torch.float32)
