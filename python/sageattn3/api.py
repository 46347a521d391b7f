"""The public function, where programs written for the original SageAttention3 look for it too."""

from __future__ import annotations

from typing import Any, Union

import torch

from . import _arguments
from ._core._options import cast_for_autocast
from ._core._shapes import is_nhd

__all__ = ["sageattn3_blackwell"]

Result = Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]


def sageattn3_blackwell(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    per_block_mean: bool = True,
    *,
    tensor_layout: str = "HND",
    sm_scale: float | None = None,
    return_lse: bool = False,
    smooth_v: bool = True,
    scale: float | None = None,
    enable_gqa: bool = True,
    backend: str = "auto",
    **idioms: Any,
) -> Result:
    """Attention with queries, keys, values and probabilities in FP4 (E2M1, an E4M3 scale for each 16).

    q is float16 or bfloat16 on a GPU, HND [batch, query heads, query rows, head_dim] or, with tensor_layout "NHD",
    [batch, query rows, query heads, head_dim]; k and v have the key heads, of which the query heads are a multiple,
    and any number of rows. The head dim is contiguous; all other strides are free. Inputs are never written.

    attn_mask is bool (True where a key is seen) or float (added to the scaled scores), broadcastable to [batch, query
    heads, query rows, key rows]. is_causal lets query i see the keys 0 to i + key rows - query rows (bottom right);
    with a mask both hold. sm_scale, or torch's name scale, is the factor of the scores, head_dim ** -0.5 by default.
    per_block_mean subtracts a mean from each 128 query rows, else one from all; smooth_v takes the mean of values out
    of FP4. Keys are always smoothed. Under torch.autocast float32 inputs are cast to autocast's dtype.

    Returns output in q's dtype and layout, contiguous, and with return_lse also float32 [batch, query heads, query
    rows] natural logarithms of the softmax denominators. A row that sees no key gives 0 and LSE -infinity.

    What serves the call, by backend "auto": FP4 up to head dim 128, with a mask only if the mask is the same for all
    rows; the INT8 kernels of SageAttention 2 for other masks and head dims up to 256, where the wheel has code for
    the GPU; torch's scaled_dot_product_attention for what is left. On SM 10.0, 10.3 and 11.0, whose tensor cores take
    no FP4 this way, torch serves calls without mask and LSE, with one warning; SAGEATTN3_STRICT=1 raises RuntimeError
    instead. "fp4", "int8" and "torch" ask for one of them, and raise RuntimeError where it cannot serve.

    Raises TypeError for dtypes other than float16 and bfloat16 and for unknown keywords, ValueError for shapes,
    layouts and options, NotImplementedError where a gradient is needed, RuntimeError on GPUs that the wheel is not for.
    """
    _arguments.check_idioms(idioms)
    _arguments.check_backend(backend)
    q, k, v = cast_for_autocast(q, k, v)
    _arguments.check_tensors(q, k, v, attn_mask)
    nhd = is_nhd(tensor_layout)
    _arguments.check_groups(q, k, nhd, enable_gqa)
    factor = _arguments.factor(q.shape[-1], sm_scale, scale)
    output, lse = torch.ops.sageattn3.forward(
        q, k, v, attn_mask, nhd, is_causal, factor, per_block_mean, smooth_v, return_lse, backend
    )
    return (output, lse) if return_lse else output
