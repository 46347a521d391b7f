"""The quantisers give the bits of the reference."""

from __future__ import annotations

import pytest
import torch
from support import gpu
from support.cases import Case, inputs, nhd

from sageattention import _abi, quant, reference

gpu.require()

OPERATORS = torch.ops.sageattention
GRANULARITIES = (_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD)
ROWS = (1, 17, 31, 64, 65, 128, 129, 1000)


def make(rows: int, head_dim: int, dtype: torch.dtype, heads: int = 3) -> torch.Tensor:
    tensor = inputs(Case(2, heads, heads, rows, rows, head_dim, dtype), seed=rows)[0]
    tensor[:, 0, rows // 2] *= 50
    tensor[:, 1] = 0
    return tensor


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("layout_nhd", [False, True])
def test_bits(
    rows: int, head_dim: int, dtype: torch.dtype, granularity: int, layout_nhd: bool
) -> None:
    tensor = make(rows, head_dim, dtype)
    given = nhd(tensor) if layout_nhd else tensor
    mean = OPERATORS.mean(given, layout_nhd)
    query = OPERATORS.quantize_query(given, None, layout_nhd, granularity)[:2]
    key = OPERATORS.quantize_key(given, None, layout_nhd, granularity)
    smooth = OPERATORS.quantize_key(given, mean, layout_nhd, granularity)
    for (output, scale), (operand, subtracted) in zip(
        (query, key, smooth), ((_abi.QUERY, None), (_abi.KEY, None), (_abi.KEY, mean))
    ):
        values, scales = reference.quantize(tensor, operand, granularity, subtracted)
        assert torch.equal(scale, scales)
        assert torch.equal(nhd(output) if layout_nhd else output, values)


@pytest.mark.parametrize("rows", [*ROWS, 4096])
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mean(rows: int, head_dim: int, dtype: torch.dtype) -> None:
    tensor = make(rows, head_dim, dtype) + 2
    expected = tensor.double().mean(2)
    for mean in (OPERATORS.mean(tensor, False), OPERATORS.mean(nhd(tensor), True)):
        torch.testing.assert_close(mean.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 4), (6, 2), (5, 1)])
def test_mean_dot(rows: int, head_dim: int, heads: int, key_heads: int) -> None:
    query = make(rows, head_dim, torch.bfloat16, heads)
    mean = torch.randn(2, key_heads, head_dim, device="cuda")
    expected = query.double() @ mean.double().repeat_interleave(heads // key_heads, 1)[..., None]
    _, _, dot = OPERATORS.quantize_query(query, mean, False, _abi.PER_THREAD)
    torch.testing.assert_close(dot.double(), expected.squeeze(-1), rtol=1e-4, atol=1e-3)
    plain = OPERATORS.quantize_query(query, None, False, _abi.PER_THREAD)
    smooth = OPERATORS.quantize_query(query, mean, False, _abi.PER_THREAD)
    assert torch.equal(plain[0], smooth[0])  # queries are not shifted
    assert torch.equal(plain[1], smooth[1])


def test_public_quantisers() -> None:
    q, k = make(129, 64, torch.float16), make(65, 64, torch.float16)
    km = k.float().mean(2, keepdim=True)
    values, scale, key_values, key_scale = quant.per_thread_int8(q, k, km)
    expected = reference.quantize(q, _abi.QUERY, _abi.PER_THREAD)
    expected_key = reference.quantize(k, _abi.KEY, _abi.PER_THREAD, km.squeeze(2))
    for found, wanted in zip((values, scale, key_values, key_scale), (*expected, *expected_key)):
        assert torch.equal(found, wanted)
    assert quant.per_warp_int8(q, k)[1].shape == (2, 3, 8)
    _, folded, _, _ = quant.per_block_int8(q, k, sm_scale=0.5)
    plain = reference.quantize(q, _abi.QUERY, _abi.PER_BLOCK)[1]
    torch.testing.assert_close(folded, plain * 0.5 * 1.4426950408889634)
    torch.testing.assert_close(quant.key_mean(k), km.squeeze(2))
