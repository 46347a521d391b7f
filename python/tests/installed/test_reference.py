"""The plain PyTorch quantisers and attention, which the GPU tests measure against."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from support.accuracy import compare

from sageattention import _abi, reference

QUERY_AND_KEY = (_abi.QUERY, _abi.KEY)
GRANULARITIES = (_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD)
CASES = list(itertools.product(QUERY_AND_KEY, GRANULARITIES, (1, 17, 64, 129)))


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(dtype)


@pytest.mark.parametrize(("operand", "granularity", "rows"), CASES)
def test_error_is_at_most_half_a_step(operand: int, granularity: int, rows: int) -> None:
    x = random(2, 3, rows, 64)
    values, scale = reference.quantize(x, operand, granularity)
    steps = reference.dequantize(torch.ones_like(values), scale, operand, granularity)
    error = (reference.dequantize(values, scale, operand, granularity) - x).abs()
    assert values.dtype == torch.int8
    assert values.min() >= -127
    assert bool((error <= steps * 0.5001).all())


@pytest.mark.parametrize(("operand", "granularity", "rows"), CASES)
def test_every_scale_group_uses_its_range(operand: int, granularity: int, rows: int) -> None:
    values, scale = reference.quantize(random(1, 1, rows, 64), operand, granularity)
    index = reference.scale_index(operand, granularity, rows)
    for group in index.unique():
        assert values[0, 0, index == group].abs().max() == 127
    assert index.max() < scale.shape[2]


def test_groups_are_those_of_the_2_2_operators() -> None:
    index = reference.scale_index
    assert index(_abi.QUERY, _abi.PER_THREAD, 34)[[0, 7, 8, 31, 32, 33]].tolist() == [
        0,
        7,
        0,
        7,
        8,
        9,
    ]
    assert index(_abi.KEY, _abi.PER_THREAD, 66)[[0, 1, 2, 7, 8, 63, 64]].tolist() == [
        0, 0, 1, 3, 0, 3, 4,
    ]  # fmt: skip
    assert index(_abi.QUERY, _abi.PER_WARP, 129)[[31, 32, 128]].tolist() == [0, 1, 4]
    assert index(_abi.QUERY, _abi.PER_BLOCK, 129)[[127, 128]].tolist() == [0, 1]
    assert index(_abi.KEY, _abi.PER_WARP, 65)[[63, 64]].tolist() == [0, 1]


def test_zeros_stay_zeros_with_a_finite_scale() -> None:
    values, scale = reference.quantize(torch.zeros(1, 1, 5, 64), _abi.QUERY, _abi.PER_THREAD)
    assert not values.any()
    assert bool((scale > 0).all())


def test_rounding_is_to_nearest_even() -> None:
    x = torch.zeros(1, 1, 1, 64)
    x[..., :5] = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5])
    values, scale = reference.quantize(x, _abi.KEY, _abi.PER_BLOCK)
    assert scale.item() == 1.0
    assert values.flatten()[:5].tolist() == [127, 0, 2, 2, 0]


def test_smoothing_takes_the_mean_away() -> None:
    x = random(1, 2, 50, 64)
    mean = torch.full((1, 2, 64), 100.0)
    values, scale = reference.quantize(x + 100.0, _abi.KEY, _abi.PER_THREAD, mean)
    plain, plain_scale = reference.quantize(x, _abi.KEY, _abi.PER_THREAD)
    torch.testing.assert_close(scale, plain_scale, rtol=1e-4, atol=0)
    assert (values.int() - plain.int()).abs().max() <= 1


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize(("rows", "keys"), [(1, 1), (5, 17), (17, 5)])
def test_attention_equals_sdpa(
    is_causal: bool, heads: int, key_heads: int, rows: int, keys: int
) -> None:
    q, k, v = (
        random(2, heads, rows, 64),
        random(2, key_heads, keys, 64, seed=1),
        random(2, key_heads, keys, 64, seed=2),
    )
    output, lse = reference.attention(q, k, v, is_causal, sm_scale=0.2)
    group = heads // key_heads
    k, v = (x.double().repeat_interleave(group, 1) for x in (k, v))
    expected = F.scaled_dot_product_attention(q.double(), k, v, is_causal=is_causal, scale=0.2)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-12)
    scores = q.double() @ k.transpose(2, 3) * 0.2
    if is_causal:
        scores = scores.masked_fill(torch.ones(rows, keys).tril() == 0, float("-inf"))
    torch.testing.assert_close(lse, scores.logsumexp(-1))


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_quantised_attention_is_accurate(
    is_causal: bool, granularity: int, head_dim: int, dtype: torch.dtype
) -> None:
    q = random(1, 4, 300, head_dim, dtype=dtype)
    k = random(1, 2, 300, head_dim, seed=1, dtype=dtype) + 5
    v = random(1, 2, 300, head_dim, seed=2, dtype=dtype)
    output, lse = reference.quantized_attention(q, k, v, is_causal, granularity=granularity)
    expected, expected_lse = reference.attention(q, k, v, is_causal)
    assert compare(output, expected).good(), compare(output, expected)
    assert (lse - expected_lse).abs().max() < 0.05


def test_smoothing_is_what_makes_offset_keys_accurate() -> None:
    q, k, v = (random(1, 1, 200, 64, seed=seed) for seed in range(3))
    k = k + 20 * random(1, 1, 1, 64, seed=3)
    expected, _ = reference.attention(q, k, v)
    smooth, _ = reference.quantized_attention(q, k, v)
    rough, _ = reference.quantized_attention(q, k, v, smooth_k=False)
    assert compare(smooth, expected).relative_l1 * 3 < compare(rough, expected).relative_l1


def test_a_result_with_nan_is_not_good() -> None:
    x = torch.ones(4)
    assert compare(x, x).good()
    assert not compare(torch.tensor([1.0, 1.0, 1.0, float("nan")]), x).good()
    assert not compare(x * 1.03, x).good()
