"""attn_mask: bool and additive, in every way of broadcasting, in every function that takes it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from support import gpu, kinds
from support.cases import Case, inputs, nhd

import sageattention

gpu.require()

FUNCTIONS = [
    sageattention.sageattn,
    sageattention.sageattn_qk_int8_pv_fp16_cuda,
    sageattention.sageattn_qk_int8_pv_fp16_triton,
    sageattention.sageattn_qk_int8_pv_fp8_cuda,
    sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90,
]
E4M3 = (FUNCTIONS[0], *FUNCTIONS[3:])  # those that take E4M3 values where there are kernels for that
SHAPES = [(1, 1, 77, 133), (2, 1, 1, 133), (1, 6, 77, 1), (2, 6, 77, 133), (77, 133), (133,)]


def make_mask(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator("cuda").manual_seed(len(shape))
    values = torch.randn(shape, generator=generator, device="cuda")
    if dtype == torch.bool:
        return values > -0.5
    return torch.where(values < -1, float("-inf"), values * 2).to(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("causal", [0, 1, 2])
def test_shapes_and_dtypes(shape: tuple[int, ...], dtype: torch.dtype, causal: int) -> None:
    tensors = inputs(Case(2, 6, 2, 77, 133, 64), seed=3)
    mask = make_mask(shape, dtype)
    expected, expected_lse = kinds.exact(*tensors, causal, mask=mask)
    output, lse = sageattention.sageattn(
        *tensors,
        attn_mask=mask,
        is_causal=causal > 0,
        causal_alignment="bottom_right" if causal == 2 else "top_left",
        return_lse=True,
    )
    kind = kinds.kind_of("auto", tensors[0], mask, 133)
    kinds.check(kind, output, expected, kinds.same_precision(*tensors, causal, mask=mask))
    assert torch.equal(lse.isinf(), expected_lse.isinf())
    error = (lse.double() - expected_lse).nan_to_num(0.0, 0.0, 0.0).abs().mean()
    assert error < kinds.LSE_BOUND.get(kind, 0.01)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("head_dim", [40, 64, 128, 256])
@pytest.mark.parametrize("layout", ["HND", "NHD"])
def test_functions(function: Any, head_dim: int, layout: str) -> None:
    if "triton" in function.__name__ and head_dim != 64:
        pytest.skip("each head dim takes Triton seconds to compile: test_gpu_triton has them")
    tensors = inputs(Case(2, 4, 4, 130, 200, head_dim, torch.bfloat16), seed=4)
    mask = make_mask((2, 1, 130, 200), torch.float32)
    given = tensors if layout == "HND" else tuple(nhd(x) for x in tensors)
    output = function(*given, tensor_layout=layout, attn_mask=mask)
    output = output if layout == "HND" else output.transpose(1, 2)
    expected, _ = kinds.exact(*tensors, mask=mask)
    method = "fp8" if function in E4M3 else "fp16"
    kind = kinds.kind_of(method, tensors[0], mask, 200)
    kinds.check(kind, output, expected, kinds.same_precision(*tensors, mask=mask))


def test_strided_masks() -> None:
    tensors = inputs(Case(1, 2, 2, 64, 96, 64))
    mask = make_mask((1, 2, 96, 64), torch.bool)
    call = functools.partial(sageattention.sageattn, *tensors, always_quantize=True)  # whatever a table says
    expected = call(attn_mask=mask.transpose(2, 3).contiguous())
    assert torch.equal(call(attn_mask=mask.transpose(2, 3)), expected)


def test_rows_that_see_nothing_give_zero() -> None:
    tensors = inputs(Case(1, 2, 2, 100, 150, 64))
    for mask in (
        torch.zeros(100, 150, dtype=torch.bool, device="cuda"),
        torch.full((100, 150), float("-inf"), device="cuda"),
    ):
        mask[1::2] = make_mask((50, 150), mask.dtype)
        output, lse = sageattention.sageattn(*tensors, attn_mask=mask, return_lse=True)
        assert not output[:, :, ::2].any()
        assert bool((lse[:, :, ::2] == float("-inf")).all())
        assert bool(output[:, :, 1::2].isfinite().all())
        assert bool(lse[:, :, 1::2].isfinite().all())


def test_an_all_true_mask_changes_little() -> None:
    tensors = inputs(Case(1, 4, 4, 300, 300, 128))
    mask = torch.ones(1, 1, 300, 300, dtype=torch.bool, device="cuda")
    masked = sageattention.sageattn_qk_int8_pv_fp16_cuda(*tensors, attn_mask=mask)
    plain = sageattention.sageattn_qk_int8_pv_fp16_cuda(*tensors)
    torch.testing.assert_close(masked, plain, rtol=4e-3, atol=4e-3)


def test_long_additive_mask() -> None:
    tensors = inputs(Case(1, 4, 4, 2048, 2048, 128), seed=9)
    mask = make_mask((1, 4, 2048, 2048), torch.float16)
    expected, _ = kinds.exact(*tensors, mask=mask)
    output = sageattention.sageattn(*tensors, attn_mask=mask)
    kind = kinds.kind_of("auto", tensors[0], mask, 2048)
    kinds.check(kind, output, expected, kinds.same_precision(*tensors, mask=mask))


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float32])
def test_masks_of_any_address(dtype: torch.dtype) -> None:
    """Kernels read several numbers at a time: a mask that begins between them gives the same bits."""
    tensors = inputs(Case(1, 2, 2, 64, 96, 64))
    storage = make_mask((64 * 96 + 1,), dtype)
    mask = storage[1:].view(64, 96)
    expected = sageattention.sageattn(*tensors, attn_mask=mask.clone())
    assert torch.equal(sageattention.sageattn(*tensors, attn_mask=mask), expected)


def test_padding_hides_what_it_hides() -> None:
    """Keys that no query sees may hold anything: they are left out of scales and means too."""
    q, k, v = inputs(Case(2, 4, 2, 100, 300, 128))
    seen = torch.arange(300, device="cuda") < torch.tensor([[170], [300]], device="cuda")
    mask = seen[:, None, None]
    expected = sageattention.sageattn(q, k, v, attn_mask=mask)
    k[0, :, 170:] = v[0, :, 170:] = 3e4
    if kinds.kind_of("auto", q, mask, 300) != "fp8_wgmma_masked":
        pytest.skip("the other kernels smooth and scale hidden keys with the rest")
    assert torch.equal(sageattention.sageattn(q, k, v, attn_mask=mask), expected)
