"""The Triton kernels, interpreted on the CPU, against float64. test_triton.py runs this file.

Not run by itself: TRITON_INTERPRET=1 must be set before anything imports triton, and no other test wants it.
"""

from __future__ import annotations

import itertools
import math
import os
from typing import Any

import pytest

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("run by test_triton.py, with TRITON_INTERPRET=1", allow_module_level=True)

import numpy
import torch
import triton
from support.accuracy import compare

from sageattention import _abi, reference
from sageattention.triton import (
    attn_qk_int8_block_varlen,
    attn_qk_int8_per_block,
    attn_qk_int8_per_block_causal,
    attn_qk_int8_per_block_causal_varlen,
    quant_per_block,
    quant_per_block_varlen,
    quant_per_thread,
)
from sageattention.triton._attention import attention, attention_varlen


def version(module: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in module.__version__.split(".")[:2])


if version(triton) < (3, 7) and version(numpy) >= (2, 4):
    pytest.skip("the interpreter of this Triton needs numpy below 2.4", allow_module_level=True)

Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
INFINITY = float("inf")


def inputs(
    batch: int,
    heads: int,
    key_heads: int,
    rows: int,
    keys: int,
    head_dim: int,
    dtype: torch.dtype = torch.float16,
    seed: int = 0,
) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(heads, rows), (key_heads, keys), (key_heads, keys)]
    q, k, v = (
        torch.randn((batch, *shape, head_dim), generator=generator).to(dtype) for shape in shapes
    )
    return q, k + 2, v


def expected(
    tensors: Tensors,
    causal: int = 0,
    sm_scale: float | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """float64 output and LSE; rows that see no key give 0 and -infinity."""
    q, k, v = (x.double() for x in tensors)
    group = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(group, 1) for x in (k, v))
    scores = q @ k.transpose(2, 3) * (q.shape[-1] ** -0.5 if sm_scale is None else sm_scale)
    rows, keys = scores.shape[2:]
    if mask is not None:
        seen = (
            torch.zeros((), dtype=torch.float64).masked_fill(~mask, -INFINITY)
            if mask.dtype == torch.bool
            else mask
        )
        scores = scores + seen
    if causal:
        shift = keys - rows if causal == 2 else 0
        scores = scores.masked_fill(~torch.ones(rows, keys).tril(shift).bool(), -INFINITY)
    return scores.softmax(-1).nan_to_num(0.0) @ v, scores.logsumexp(-1)


def attend(
    tensors: Tensors, nhd: bool = False, **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """attention() of HND tensors in either layout, as HND."""
    arguments = {"causal": 0, "sm_scale": tensors[0].shape[-1] ** -0.5, "smooth_k": True}
    given = tuple(x.transpose(1, 2) for x in tensors) if nhd else tensors
    result = attention(*given, nhd, **{**arguments, **options}, return_lse=True)
    assert result[0].is_contiguous()
    return (result[0].transpose(1, 2) if nhd else result[0]), result[1]


def assert_close(
    found: tuple[torch.Tensor, torch.Tensor], wanted: tuple[torch.Tensor, torch.Tensor]
) -> None:
    blind = wanted[1] == -INFINITY
    assert torch.equal(found[1] == -INFINITY, blind)
    assert not found[0][blind].any()
    assert (found[1] - wanted[1])[~blind].abs().max() < 0.05
    assert compare(found[0], wanted[0]).good(), compare(found[0], wanted[0])


SHAPES = [
    (1, 2, 2, 1, 1, 64),
    (2, 4, 2, 77, 133, 64),
    (1, 6, 1, 130, 64, 96),
    (1, 2, 2, 129, 200, 128),
    (1, 2, 1, 65, 97, 160),
    (1, 1, 1, 70, 33, 256),
    (1, 2, 2, 40, 50, 8),
    (1, 1, 1, 33, 40, 17),
]


@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_attention(shape: tuple[int, ...], causal: int) -> None:
    tensors = inputs(*shape)
    assert_close(attend(tensors, causal=causal), expected(tensors, causal))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("nhd", [False, True])
@pytest.mark.parametrize("smooth_k", [False, True])
def test_layouts_dtypes_and_smoothing(dtype: torch.dtype, nhd: bool, smooth_k: bool) -> None:
    tensors = inputs(2, 4, 2, 70, 90, 64, dtype)
    found = attend(tensors, nhd, smooth_k=smooth_k, sm_scale=0.2)
    assert found[0].dtype == dtype
    oracle = reference.quantized_attention(
        *tensors, sm_scale=0.2, granularity=_abi.PER_BLOCK, smooth_k=smooth_k
    )
    assert (found[1] - oracle[1]).abs().max() < 1e-3
    bound = {torch.float16: 5e-4, torch.bfloat16: 4e-3}[dtype]
    assert compare(found[0], oracle[0]).relative_l1 < bound


def masks(batch: int, heads: int, rows: int, keys: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    seen = torch.rand((batch, heads, rows, keys), generator=generator) < 0.5
    bias = torch.randn((batch, heads, rows, keys), generator=generator) * 3
    blind = seen.clone()
    blind[:, :, ::3] = False
    return {
        "bool": seen,
        "bool of keys": seen[:, :1, :1],
        "bool of two dims": seen[0, 0],
        "blind rows": blind,
        "float16": bias.half(),
        "bfloat16": bias[:1].bfloat16(),
        "float32": bias,
        "float64 of keys": bias[:, :1, :1].double(),
        "infinite": torch.zeros(rows, keys).masked_fill(~seen[0, 0], -INFINITY),
        "all infinite": torch.full((rows, keys), -INFINITY),
        "lowest": torch.zeros(rows, keys).masked_fill(~blind[0, 0], torch.finfo(torch.float32).min),
        "transposed": bias.half().transpose(2, 3).contiguous().transpose(2, 3),
    }


@pytest.mark.parametrize("name", masks(1, 1, 1, 1))
@pytest.mark.parametrize("causal", [0, 1, 2])
def test_masks(name: str, causal: int) -> None:
    tensors = inputs(2, 2, 1, 70, 133, 64)
    mask = masks(2, 2, 70, 133)[name]
    found, wanted = (
        attend(tensors, causal=causal, attn_mask=mask),
        expected(tensors, causal, mask=mask),
    )
    if name == "lowest":  # LSE near the end of float32: as torch, every key weighs alike
        assert torch.isfinite(found[1]).all()
        found, wanted = (found[0], found[1] * 0), (wanted[0], wanted[1] * 0)
    if name == "all infinite":
        assert not found[0].any() and bool((found[1] == -INFINITY).all())
        return
    assert_close(found, wanted)


def test_masks_that_do_not_fit() -> None:
    tensors = inputs(2, 2, 2, 5, 7, 64)
    with pytest.raises(AssertionError, match=r"\(5, 6\) cannot be broadcast to \(2, 2, 5, 7\)"):
        attend(tensors, attn_mask=torch.ones(5, 6, dtype=torch.bool))
    with pytest.raises(AssertionError, match="bool or float"):
        attend(tensors, attn_mask=torch.ones(5, 7, dtype=torch.int32))


def test_what_lies_beyond_the_tensors_is_not_seen() -> None:
    tensors = inputs(2, 2, 2, 70, 90, 96)
    surrounded = []
    for x in tensors:
        base = torch.full((2, 2, x.shape[2] + 70, 130), float("nan"), dtype=x.dtype)
        base[:, :, 3 : 3 + x.shape[2], 5:101] = x
        surrounded.append(base[:, :, 3 : 3 + x.shape[2], 5:101])
    found = attend((surrounded[0], surrounded[1], surrounded[2]))
    for a, b in zip(found, attend(tensors)):
        assert torch.equal(a, b)


def test_large_values_do_not_overflow() -> None:
    q, k, v = inputs(1, 1, 1, 64, 256, 64)
    v = torch.full_like(v, 60000.0)
    output, _ = attend((q * 0.1, k * 0.1, v))
    assert (output - 60000.0).abs().max() <= 32


def test_keys_far_from_zero_are_smoothed() -> None:
    q, k, v = inputs(1, 2, 1, 64, 100, 64)
    k = k + 20 * torch.randn(1, 1, 1, 64, generator=torch.Generator().manual_seed(3)).half()
    found, wanted = attend((q, k, v)), expected((q, k, v))
    assert compare(found[0], wanted[0]).good()
    assert (found[1] - wanted[1]).abs().max() < 0.2


@pytest.mark.parametrize(("rows", "keys", "batch"), [(0, 5, 1), (5, 0, 1), (0, 0, 1), (5, 5, 0)])
def test_empty(rows: int, keys: int, batch: int) -> None:
    output, lse = attend(inputs(batch, 2, 2, rows, keys, 64))
    assert output.shape == (batch, 2, rows, 64) and lse.shape == (batch, 2, rows)
    if keys == 0:
        assert not output.any() and bool((lse == -INFINITY).all())


def test_inputs_stay_and_lse_is_optional() -> None:
    tensors = inputs(1, 2, 2, 20, 30, 64)
    copies = [x.clone() for x in tensors]
    output, lse = attention(*tensors, False, 0, 0.125, True)
    assert lse.numel() == 0
    assert torch.equal(output, attend(tensors)[0])
    assert all(torch.equal(a, b) for a, b in zip(tensors, copies))


LENGTHS = [([5, 130, 1], [70, 3, 64]), ([64, 0, 20], [64, 10, 0]), ([0], [0]), ([7, 9], [7, 9])]


@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_varlen(lengths: tuple[list[int], list[int]], causal: int, dtype: torch.dtype) -> None:
    rows, keys = lengths
    q, k, v = (x[0].transpose(0, 1) for x in inputs(1, 4, 2, sum(rows) + 3, sum(keys) + 2, 96))
    k[sum(keys) :] = v[sum(keys) :] = float("nan")
    starts = [torch.tensor([0, *itertools.accumulate(x)], dtype=dtype) for x in lengths]
    output = attention_varlen(q, k, v, *starts, max(rows), max(keys), causal, 0.1, True)
    assert output.is_contiguous() and output.dtype == q.dtype
    for (q0, q1), (k0, k1) in zip(*(zip(x.tolist(), x.tolist()[1:]) for x in starts)):
        one = tuple(x.transpose(0, 1)[None] for x in (q[q0:q1], k[k0:k1], v[k0:k1]))
        wanted, lse = expected(one, causal, sm_scale=0.1)  # type: ignore[arg-type]
        found = output[q0:q1].transpose(0, 1)[None]
        assert not found[lse == -INFINITY].any()
        if not wanted.any():
            continue
        assert compare(found, wanted).good(), compare(found, wanted)


def test_varlen_of_a_length_below_0() -> None:
    q, k, _ = (x[0].transpose(0, 1) for x in inputs(1, 2, 2, 20, 20, 64))
    starts = torch.tensor([0, 20], dtype=torch.int32)
    with pytest.raises(ValueError, match="max_seqlen is -1, it must be 0 or more"):
        quant_per_block_varlen.per_block_int8(q, k, starts, starts, 20, -1)
    with pytest.raises(TypeError, match="float"):
        quant_per_block_varlen.per_block_int8(q, k, starts, starts, 19.5, 20)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head_dim", "layout", "dtype", "with_mean"),
    [
        (64, "HND", torch.float16, False),
        (96, "NHD", torch.bfloat16, True),
        (128, "NHD", torch.float16, True),
        (256, "HND", torch.bfloat16, False),
    ],
)
def test_quantisers_give_the_bits_of_the_reference(
    head_dim: int, layout: str, dtype: torch.dtype, with_mean: bool
) -> None:
    q, k, _ = inputs(1, 2, 1, 131, 77, head_dim, dtype)
    q[0, 1] = 0
    km = k.mean(2) if with_mean else None
    mean = None if km is None else km.float()
    given = tuple(x.transpose(1, 2) for x in (q, k)) if layout == "NHD" else (q, k)
    blocks = quant_per_block.per_block_int8(*given, km, sm_scale=0.3, tensor_layout=layout)
    kept = None if km is None else km.unsqueeze(1 if layout == "NHD" else 2)
    threads = quant_per_thread.per_thread_int8(*given, kept, tensor_layout=layout)
    for found, granularity in ((blocks, _abi.PER_BLOCK), (threads, _abi.PER_THREAD)):
        q_int8, q_scale = reference.quantize(q, _abi.QUERY, granularity)
        k_int8, k_scale = reference.quantize(k, _abi.KEY, granularity, mean)
        if granularity == _abi.PER_BLOCK:
            q_scale = q_scale * (0.3 * math.log2(math.e))
        tensors = [x.transpose(1, 2) if layout == "NHD" else x for x in found[0::2]]
        for a, b in zip((*tensors, found[1], found[3]), (q_int8, k_int8, q_scale, k_scale)):
            assert torch.equal(a, b)


def test_rounding_is_to_nearest_even() -> None:
    x = torch.zeros(1, 1, 1, 64, dtype=torch.float16)
    x[..., :6] = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -126.5])
    _, _, k_int8, k_scale = quant_per_block.per_block_int8(x, x)
    assert k_scale.item() == 1.0
    assert k_int8.flatten()[:6].tolist() == [127, 0, 2, 2, 0, -126]


def test_thread_kernels_as_others_launch_them() -> None:
    q, k, _ = inputs(2, 1, 1, 131, 77, 64)
    for x, operand, kernel, per_warp, warp, blocks in (
        (q, _abi.QUERY, quant_per_thread.quant_query_per_thread_int8_kernel, 8, 32, 8),
        (k, _abi.KEY, quant_per_thread.quant_key_per_thread_int8_kernel, 4, 64, 2),
    ):
        output = torch.empty(x.shape, dtype=torch.int8)
        scale = torch.empty(2, 1, blocks * per_warp)
        kernel[(blocks * per_warp, 1, 2)](
            x, output, scale, x.shape[2], *x.stride()[:3], *output.stride()[:3],
            scale.stride(0), scale.stride(1), C=64, BLK=warp,
        )  # fmt: skip
        wanted = reference.quantize(x, operand, _abi.PER_THREAD)
        assert torch.equal(output, wanted[0]) and torch.equal(scale, wanted[1])


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_low_level_modules(layout: str, is_causal: bool) -> None:
    tensors = inputs(1, 4, 2, 70, 133, 64)
    given = tuple(x.transpose(1, 2) for x in tensors) if layout == "NHD" else tensors
    q, q_scale, k, k_scale = quant_per_block.per_block_int8(*given[:2], tensor_layout=layout)
    module = attn_qk_int8_per_block_causal if is_causal else attn_qk_int8_per_block
    output, lse = module.forward(
        q, k, given[2], q_scale, k_scale,
        tensor_layout=layout, output_dtype=torch.bfloat16, return_lse=True,
    )  # fmt: skip
    assert output.dtype == torch.bfloat16 and output.shape == given[0].shape
    output = output.transpose(1, 2) if layout == "NHD" else output
    assert_close((output, lse / math.log2(math.e)), expected(tensors, int(is_causal)))
    assert module.forward(q, k, given[2], q_scale, k_scale, layout)[1].shape == (0,)


@pytest.mark.parametrize("is_causal", [False, True])
def test_low_level_varlen_modules(is_causal: bool) -> None:
    q, k, v = (x[0].transpose(0, 1) for x in inputs(1, 2, 2, 200, 200, 64))
    starts = torch.tensor([0, 150, 150, 200], dtype=torch.int32)
    q8, q_scale, k8, k_scale, q_starts, k_starts = quant_per_block_varlen.per_block_int8(
        q, k, starts, starts, 150, 150
    )
    assert q_starts is not None and q_starts.tolist() == [0, 2, 2, 3]
    assert k_starts is not None and k_starts.tolist() == [0, 3, 3, 4]
    module = attn_qk_int8_per_block_causal_varlen if is_causal else attn_qk_int8_block_varlen
    output = module.forward(
        q8, k8, v, starts, starts, 150, q_scale, k_scale, q_starts, k_starts, output_dtype=q.dtype
    )
    wanted = attention_varlen(q, k, v, starts, starts, 150, 150, int(is_causal), 0.125, False)
    assert torch.equal(output, wanted)


@pytest.mark.parametrize("bad", ["head_dim", "dtype", "heads", "layout", "shape"])
def test_errors(bad: str) -> None:
    q, k, v = inputs(1, 4, 2, 5, 7, 257 if bad == "head_dim" else 64)
    if bad == "layout":
        with pytest.raises(ValueError, match="Unknown tensor layout"):
            quant_per_block.per_block_int8(q, k, tensor_layout="NDH")
        return
    tensors = {
        "head_dim": (q, k, v),
        "dtype": (q.float(), k.float(), v.float()),
        "heads": (q[:, :3], k, v),
        "shape": (q, k, v[:, :, :6]),
    }[bad]
    message = {"head_dim": "257", "dtype": "float32", "heads": "divisible", "shape": "differ"}[bad]
    with pytest.raises(ValueError, match=message):
        attend(tensors)
