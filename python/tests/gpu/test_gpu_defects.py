"""Defects that attention kernels of this family have had, each with its own test, for every kind of kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import gpu, kinds
from support.accuracy import compare
from support.cases import Case, inputs

import sageattention
from sageattention import quant, sageattn

gpu.require()

OPERATORS = torch.ops.sageattention
UNMASKED = kinds.PLAIN
kind_matters = pytest.mark.parametrize("kind", UNMASKED)


def run(kind: str, *tensors: torch.Tensor, causal: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    head_dim = tensors[0].shape[-1]
    if not kinds.available(kind, head_dim):
        pytest.skip("no such kernel here")
    return OPERATORS.forward(  # type: ignore[no-any-return]
        *tensors, None, False, causal, head_dim**-0.5, f"only:{kind}", 3, True, True
    )


@kind_matters
@pytest.mark.parametrize("keys", [1, 65, 127])
def test_nan_behind_the_last_key_stays_out(kind: str, keys: int) -> None:
    q, k, v = inputs(Case(1, 2, 2, 50, keys, 64))
    expected = run(kind, q, k, v)
    views = []
    for x in (q, k, v):
        base = torch.full((1, 2, x.shape[2] + 128, 64), float("nan"), device="cuda").half()
        base[:, :, : x.shape[2]] = x
        views.append(base[:, :, : x.shape[2]])
    for found, wanted in zip(run(kind, *views), expected):
        assert torch.equal(found, wanted)


@kind_matters
def test_channels_of_zeros(kind: str) -> None:
    q, k, v = inputs(Case(1, 2, 2, 100, 100, 64))
    v[..., ::3] = 0
    output, _ = run(kind, q, k, v)
    assert bool(output.isfinite().all())
    assert not output[..., ::3].any()
    assert not run(kind, q, k, torch.zeros_like(v))[0].any()


@kind_matters
@pytest.mark.parametrize("size", [1000.0, 60000.0])
def test_large_values_do_not_overflow(kind: str, size: float) -> None:
    q, k, v = inputs(Case(1, 2, 2, 64, 1000, 128), seed=2)
    v = (v.float().sign() * size).half()
    v[..., :8] = size  # all of one sign: the output is as large as they are
    output, _ = run(kind, q * 0.01, k * 0.01, v)
    assert bool(output.isfinite().all())
    torch.testing.assert_close(
        output[..., :8].float().mean(), torch.tensor(size, device="cuda"), rtol=2e-3, atol=0
    )


@kind_matters
@pytest.mark.parametrize("rows", [4096, 16384])
@pytest.mark.parametrize("mean", [1.0, -10.0])
def test_values_far_from_zero_keep_their_mean(kind: str, rows: int, mean: float) -> None:
    """A cosine of 0.999 hides a lost percent: the mean of the output must be right within 0.1 %."""
    q, k, v = inputs(Case(1, 2, 2, rows, rows, 128), seed=3)
    v = v + mean
    output, _ = run(kind, q, k, v)
    picked = slice(0, rows, 8)
    expected, _ = kinds.exact(q[:, :, picked], k, v)
    found = output[:, :, picked].double()
    assert abs(float(found.mean() / expected.mean()) - 1) < 1e-3
    assert compare(found, expected).relative_l1 < 0.01


@kind_matters
@pytest.mark.parametrize(("heads", "key_heads"), [(6, 2), (5, 1), (4, 4)])
@pytest.mark.parametrize(("rows", "keys"), [(129, 257), (65, 33), (1, 500)])
def test_lse_with_groups_and_odd_tiles(
    kind: str, heads: int, key_heads: int, rows: int, keys: int
) -> None:
    q, k, v = inputs(Case(2, heads, key_heads, rows, keys, 64), seed=4)
    k = k + 4 * torch.randn(2, key_heads, 1, 64, device="cuda").half()
    expected, expected_lse = kinds.exact(q, k, v)
    output, lse = run(kind, q, k, v)
    assert compare(output, expected).relative_l1 < 0.05
    assert (lse.double() - expected_lse).abs().max() < (0.15 if kind in kinds.FP8_KINDS else 0.1)


@kind_matters
@pytest.mark.parametrize("sizes", [(0, 5, 5), (1, 0, 5), (1, 5, 0), (1, 0, 0)])
def test_empty_sequences(kind: str, sizes: tuple[int, int, int]) -> None:
    batch, rows, keys = sizes
    output, lse = run(kind, *inputs(Case(batch, 2, 2, rows, keys, 64)))
    assert output.shape == (batch, 2, rows, 64)
    assert not output.any()
    assert bool((lse == float("-inf")).all())


@kind_matters
def test_rows_without_keys_bottom_right(kind: str) -> None:
    tensors = inputs(Case(1, 2, 2, 200, 70, 64))
    output, lse = run(kind, *tensors, causal=2)
    assert not output[:, :, :130].any()
    assert bool((lse[:, :, :130] == float("-inf")).all())
    assert bool(lse[:, :, 130:].isfinite().all())


@kind_matters
def test_more_than_65535_batches(kind: str) -> None:
    q, k, v = inputs(Case(70_000, 1, 1, 2, 3, 64))
    output, _ = run(kind, q, k, v)
    picked = torch.tensor([0, 65_535, 65_536, 69_999], device="cuda")
    expected, _ = kinds.exact(*(x[picked] for x in (q, k, v)))
    assert compare(output[picked], expected).relative_l1 < 0.06


@kind_matters
def test_more_than_2_31_elements(kind: str) -> None:
    """The last heads of a tensor that 32 bits of offset cannot reach."""
    if torch.cuda.mem_get_info()[0] < 40 * 2**30:
        pytest.skip("needs 40 GB of free GPU memory")
    heads, rows = 66_000, 512
    base = torch.zeros(1, heads, rows, 64, dtype=torch.float16, device="cuda")
    assert base.numel() > 2**31
    q, _, _ = inputs(Case(1, 2, 2, rows, rows, 64))
    base[:, -2:] = q
    output, lse = run(kind, base, base, base)
    expected, expected_lse = run(kind, q, q, q)
    assert torch.equal(output[:, -2:], expected)
    assert torch.equal(lse[:, -2:], expected_lse)


@kind_matters
def test_long_rows_of_many_heads(kind: str) -> None:
    """Row offsets of a fused tensor pass 2^31 elements: one head of 56 x 128 channels, 3 tensors, 120 000 rows."""
    rows, channels = 120_000, 3 * 56 * 128
    if torch.cuda.mem_get_info()[0] < 12 * 2**30:
        pytest.skip("needs 12 GB of free GPU memory")
    base = torch.empty(rows, channels, dtype=torch.float16, device="cuda")
    parts = inputs(Case(1, 1, 1, rows, rows, 128), seed=6)
    views = []
    for index, part in enumerate(parts):
        column = base[:, (index + 1) * 56 * 128 - 128 : (index + 1) * 56 * 128]
        column.copy_(part[0, 0])
        views.append(column[None, None])
    queries = views[0][:, :, -256:]
    output, _ = run(kind, queries, views[1], views[2])
    assert torch.equal(output, run(kind, parts[0][:, :, -256:], parts[1], parts[2])[0])


@pytest.mark.parametrize(
    "function",
    [
        sageattention.sageattn_qk_int8_pv_fp16_cuda,
        sageattention.sageattn_qk_int8_pv_fp8_cuda,
        sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90,
    ],
)
def test_a_wrong_accumulator_is_an_error(function: Any) -> None:
    with pytest.raises(ValueError, match="Unsupported pv_accum_dtype: int32"):
        function(*inputs(Case()), pv_accum_dtype="int32")


def test_a_zero_block_does_not_spoil_the_quantiser() -> None:
    q, k, _ = inputs(Case(1, 1, 1, 300, 300, 64))
    q[:, :, 128:256] = 0
    q_int8, q_scale, _, _ = quant.per_block_int8(q, k)
    assert bool(q_scale.isfinite().all())
    assert not q_int8[:, :, 128:256].any()


def test_inputs_survive() -> None:
    tensors = inputs(Case(1, 2, 2, 100, 100, 64))
    copies = [x.clone() for x in tensors]
    for function in (
        sageattn,
        sageattention.sageattn_qk_int8_pv_fp16_cuda,
        sageattention.sageattn_qk_int8_pv_fp16_triton,
        sageattention.sageattn_qk_int8_pv_fp8_cuda,
        sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90,
    ):
        function(*tensors)
        assert all(torch.equal(x, y) for x, y in zip(tensors, copies))
