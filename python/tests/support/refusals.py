"""Calls that no kernel computes right and that must be refused: tensors of unlike or of unknown dtypes.

REFUSED has them by name. They use fake tensors, so they need no GPU, and nothing here asserts: python -O runs them too.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention
from sageattention import _fused, _qattn, quant
from sageattention._qattn import Kernel

HALF, BFLOAT, FLOAT, E4M3 = torch.float16, torch.bfloat16, torch.float32, torch.float8_e4m3fn
INT8, INT32 = torch.int8, torch.int32
OPERATORS = torch.ops.sageattention
SAME = (HALF, HALF, HALF)
UNLIKE = {"query": (BFLOAT, HALF, HALF), "key": (HALF, BFLOAT, HALF), "value": (HALF, HALF, BFLOAT)}
DENSE = [name for name in sageattention.__all__ if "sageattn" in name and "varlen" not in name]


def empty(*shape: int, dtype: torch.dtype = FLOAT) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


def mask_of(dtype: torch.dtype | None) -> torch.Tensor | None:
    return None if dtype is None else empty(8, 8, dtype=dtype)


def dense(function: str, *dtypes: torch.dtype, mask: torch.dtype | None = None) -> Any:
    tensors = (empty(1, 2, 8, 64, dtype=dtype) for dtype in dtypes)
    return getattr(sageattention, function)(*tensors, attn_mask=mask_of(mask))


def forward(*dtypes: torch.dtype, mask: torch.dtype | None = None) -> Any:
    tensors = (empty(1, 2, 8, 64, dtype=dtype) for dtype in dtypes)
    return OPERATORS.forward(*tensors, mask_of(mask), False, 0, 0.1, "auto", 3, True, False)


def varlen(
    *dtypes: torch.dtype,
    starts: torch.dtype = INT32,
    rows: torch.dtype = INT32,
    mask: torch.dtype | None = None,
) -> Any:
    tensors = (empty(8, 2, 64, dtype=dtype) for dtype in dtypes)
    begin, longest = empty(3, dtype=starts), empty(dtype=rows)
    return sageattention.sageattn_varlen(
        *tensors, begin, begin, longest, longest, attn_mask=mask_of(mask)
    )


def forward_varlen(
    *dtypes: torch.dtype, starts: torch.dtype = INT32, mask: torch.dtype | None = None
) -> Any:
    tensors, begin = (empty(8, 2, 64, dtype=dtype) for dtype in dtypes), empty(3, dtype=starts)
    return OPERATORS.forward_varlen(
        *tensors, mask_of(mask), begin, begin, 8, 8, 0, 0.1, "auto", 3, True, False
    )


def attention(
    q: torch.dtype = INT8,
    k: torch.dtype = INT8,
    v: torch.dtype = HALF,
    scale: torch.dtype = FLOAT,
    mask: torch.dtype | None = None,
) -> Any:
    query, key, value = (empty(1, 2, 8, 64, dtype=dtype) for dtype in (q, k, v))
    scales = empty(1, 2, 4, dtype=scale), empty(1, 2, 1, dtype=scale)
    return OPERATORS.attention(
        query, key, value, *scales, None, False, 2, 0.1, 0, False, mask_of(mask)
    )


def of_2_2(
    kernel: Kernel,
    q: torch.dtype = INT8,
    k: torch.dtype = INT8,
    v: torch.dtype | None = None,
    o: torch.dtype = HALF,
    scale: torch.dtype = FLOAT,
    channel: torch.dtype = FLOAT,
) -> Any:
    """An operator of 2.2's extensions; everything fits unless a dtype is given."""
    fp16 = kernel.namespace == "sageattention"
    shape, channels = (1, 2, 64, 64), empty(1, 2, 64, dtype=channel)
    operator = getattr(getattr(torch.ops, kernel.namespace), kernel.name)
    return operator(
        empty(*shape, dtype=q),
        empty(*shape, dtype=k),
        empty(*shape, dtype=v or (HALF if fp16 else E4M3)),
        empty(*shape, dtype=o),
        empty(1, 2, 4, dtype=scale),
        empty(1, 2, 1, dtype=scale),
        *[channels] * (kernel.scaled + kernel.smoothed),
        1, 0, 2, 0.1, 0,
    )  # fmt: skip


def quantise(function: str, q: torch.dtype, k: torch.dtype, km: torch.dtype | None = None) -> Any:
    tensors = (empty(1, 2, 8, 64, dtype=dtype) for dtype in (q, k))
    mean = None if km is None else empty(1, 2, 64, dtype=km)
    return getattr(quant, function)(*tensors, mean)


def fused(input: torch.dtype = HALF, output: torch.dtype = INT8, scale: torch.dtype = FLOAT) -> Any:
    x, y = empty(1, 2, 8, 64, dtype=input), empty(1, 2, 8, 64, dtype=output)
    _fused.quant_per_warp_int8_cuda(x, y, empty(1, 2, 4, dtype=scale), 128, 32, 1)


def fused_block(input: torch.dtype = HALF, output: torch.dtype = INT8) -> Any:
    x, y = empty(1, 2, 8, 64, dtype=input), empty(1, 2, 8, 64, dtype=output)
    _fused.quant_per_block_int8_cuda(x, y, empty(1, 2, 1), 64, 1)


def alone(function: Any, dtype: torch.dtype) -> Any:
    return function(empty(1, 2, 8, 64, dtype=dtype))


REFUSED: dict[str, Callable[[], Any]] = {}
for unlike, dtypes in UNLIKE.items():
    for name in DENSE:
        REFUSED[f"{name}, another {unlike}"] = partial(dense, name, *dtypes)
    for call in (forward, varlen, forward_varlen):
        REFUSED[f"{call.__name__}, another {unlike}"] = partial(call, *dtypes)
for dtype in (torch.uint8, INT32, torch.int64):
    for name in DENSE:
        REFUSED[f"{name}, {dtype} mask"] = partial(dense, name, *SAME, mask=dtype)
    for call in (forward, varlen, forward_varlen):
        REFUSED[f"{call.__name__}, {dtype} mask"] = partial(call, *SAME, mask=dtype)
    REFUSED[f"attention, {dtype} mask"] = partial(attention, mask=dtype)
for dtype in (FLOAT, torch.float64, torch.int16):
    REFUSED[f"varlen, {dtype} offsets"] = partial(varlen, *SAME, starts=dtype)
    REFUSED[f"varlen, {dtype} length"] = partial(varlen, *SAME, rows=dtype)
    REFUSED[f"forward_varlen, {dtype} offsets"] = partial(forward_varlen, *SAME, starts=dtype)
for change in ({"q": HALF}, {"k": torch.uint8}, {"v": FLOAT}, {"scale": HALF}):
    REFUSED[f"attention, {change}"] = partial(attention, **change)
for kernel in (*_qattn.SM80, *_qattn.SM89, *_qattn.SM90):
    changes = [{"q": torch.uint8}, {"k": HALF}, {"v": BFLOAT}, {"o": FLOAT}, {"scale": HALF}]
    changes += [{"channel": INT32}] * (kernel.scaled or kernel.smoothed)
    for change in changes:
        REFUSED[f"{kernel.namespace}.{kernel.name}, {change}"] = partial(of_2_2, kernel, **change)
for name in ("per_block_int8", "per_warp_int8", "per_thread_int8"):
    REFUSED[f"{name}, another key"] = partial(quantise, name, BFLOAT, HALF)
    REFUSED[f"{name}, float32"] = partial(quantise, name, FLOAT, FLOAT)
    REFUSED[f"{name}, integer km"] = partial(quantise, name, HALF, HALF, INT32)
for change in ({"input": FLOAT}, {"output": HALF}, {"scale": HALF}):
    REFUSED[f"quant_per_warp_int8_cuda, {change}"] = partial(fused, **change)
for change in ({"input": FLOAT}, {"output": torch.uint8}):
    REFUSED[f"quant_per_block_int8_cuda, {change}"] = partial(fused_block, **change)
for function in (quant.sub_mean, quant.per_channel_fp8, quant.key_mean):
    REFUSED[f"{function.__name__}, float32"] = partial(alone, function, FLOAT)


def computed() -> list[str]:
    """The names of those that were not refused: none."""
    found = []
    with FakeTensorMode():
        for name, call in REFUSED.items():
            try:
                call()
            except ValueError:
                continue
            found.append(name)
    return found
