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


@pytest.mark.parametrize("rows", [1, 16, 64, 100])
@pytest.mark.parametrize("smooth", [False, True])
def test_values_in_e4m3(rows: int, smooth: bool) -> None:
    v = random(2, 3, rows, 40) + 3
    v[..., 7] = 0
    values, scale, mean = reference.quantize_value(v, smooth=smooth)
    assert values.dtype == torch.float8_e4m3fn
    assert tuple(values.shape) == (2, 3, 40, (rows + 63) // 64 * 64)
    back = reference.dequantize_value(values, scale, mean, rows)
    assert not back[..., 7].any()
    assert bool(((back - v).abs() <= v.abs().amax(2, keepdim=True) / 14).all())
    if smooth:
        torch.testing.assert_close(back.mean(2), v.mean(2), rtol=1e-5, atol=1e-5)


def test_the_order_of_values_is_that_of_2_2() -> None:
    v = torch.arange(32.0)[None, None, :, None]
    values, scale, _ = reference.quantize_value(v)
    found = (values.float() * scale[..., None])[0, 0, 0, :32].round().int().tolist()
    assert found[:16] == [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]


@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_masks_are_those_of_torch(causal: int, dtype: torch.dtype) -> None:
    q, k, v = random(2, 4, 9, 16), random(2, 2, 14, 16, seed=1), random(2, 2, 14, 16, seed=2)
    mask = random(2, 1, 9, 14, seed=3)
    mask = mask > -1 if dtype == torch.bool else mask
    visible = torch.ones(9, 14, dtype=torch.bool)
    if causal:
        visible = visible.tril(5 if causal == 2 else 0)
    both = mask & visible if dtype == torch.bool else mask.masked_fill(~visible, float("-inf"))
    found, _ = reference.attention(q, k, v, causal, mask=mask)
    expected = F.scaled_dot_product_attention(
        q.double(), k.double().repeat_interleave(2, 1), v.double().repeat_interleave(2, 1),
        both if dtype == torch.bool else both.double(),
    )  # fmt: skip
    torch.testing.assert_close(found, expected.nan_to_num(0.0))


def test_varlen_is_each_sequence_by_itself() -> None:
    q, k = random(10, 2, 16), random(12, 2, 16, seed=1)
    output, lse = reference.varlen_attention(q, k, k, [0, 4, 4, 10], [0, 5, 5, 12], True)
    views = (q[4:].transpose(0, 1)[None], k[5:].transpose(0, 1)[None], k[5:].transpose(0, 1)[None])
    one, one_lse = reference.attention(*views, True)
    assert torch.equal(output[4:], one[0].transpose(0, 1))
    assert torch.equal(lse[:, 4:], one_lse[0])
