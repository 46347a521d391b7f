"""Accuracy: against exact attention in float64, and against the quantised oracle."""

from __future__ import annotations

import itertools

import pytest
import torch
from support import gpu
from support.accuracy import compare
from support.cases import Case, inputs, nhd, oracle
from support.report import Measurement

import sageattention
from sageattention import _abi, reference

gpu.require()

LENGTHS = (1, 17, 77, 128, 1000, 4096)
HEADS = ((8, 8), (32, 32), (32, 8))
DTYPES = (torch.float16, torch.bfloat16)
UNEQUAL = ((1, 4096), (17, 77), (77, 17), (128, 1000), (1000, 129), (4096, 1))

GRID = [
    Case(batch, heads, key_heads, rows, rows, head_dim, dtype, is_causal)
    for head_dim, dtype, is_causal, rows, batch, (heads, key_heads) in itertools.product(
        (64, 128), DTYPES, (False, True), LENGTHS, (1, 2), HEADS
    )
]
GRID += [
    Case(2, 16, 4, rows, keys, head_dim, dtype, is_causal)
    for head_dim, dtype, is_causal, (rows, keys) in itertools.product(
        (64, 128), DTYPES, (False, True), UNEQUAL
    )
]
GRID += [
    Case(1, 8, 4, 333, 333, head_dim, dtype, is_causal)
    for head_dim, dtype, is_causal in itertools.product((40, 80, 96), DTYPES, (False, True))
]


@pytest.mark.parametrize("case", GRID, ids=str)
def test_against_float64(case: Case, accuracies: list[Measurement]) -> None:
    tensors = inputs(case)
    expected, expected_lse = reference.attention(*tensors, case.is_causal)
    for layout in ("HND", "NHD"):
        given = tensors if layout == "HND" else tuple(nhd(x) for x in tensors)
        output, lse = sageattention.sageattn(
            *given, tensor_layout=layout, is_causal=case.is_causal, return_lse=True
        )
        assert (output.shape, output.dtype) == (given[0].shape, case.dtype)
        found = compare(output if layout == "HND" else output.transpose(1, 2), expected)
        lse_error = float((lse.double() - expected_lse).abs().mean())
        accuracies.append(Measurement(case, layout, found, lse_error))
        assert found.good(), (layout, found)
        assert lse_error < 0.01, (layout, lse_error)


# Rounding of the softmax weights and of the output is all that may differ from the oracle.
ORACLE_BOUND = {torch.float16: 2e-3, torch.bfloat16: 4e-3}


@pytest.mark.parametrize("granularity", [_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "keys"), [(1, 1), (33, 65), (128, 64), (200, 127), (300, 1000)])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_against_the_quantised_oracle(
    granularity: int, is_causal: bool, dtype: torch.dtype, rows: int, keys: int, head_dim: int
) -> None:
    case = Case(2, 8, 2, rows, keys, head_dim, dtype, is_causal)
    q, k, v = inputs(case, seed=7)
    k = k + 3
    expected, expected_lse = oracle(case, (q, k, v), granularity)
    output, lse = torch.ops.sageattention.forward(
        q, k, v, None, False, int(is_causal), head_dim**-0.5, "fp16", granularity, True, True
    )
    found = compare(output, expected)
    assert found.relative_l1 < ORACLE_BOUND[dtype], found
    # A key whose rounding flips because the mean was summed in another order moves the LSE by this much.
    assert (lse.double() - expected_lse).abs().max() < 0.01


@pytest.mark.parametrize("granularity", ["per_warp", "per_thread"])
@pytest.mark.parametrize("smooth_k", [False, True])
def test_the_function_with_options(granularity: str, smooth_k: bool) -> None:
    case = Case(1, 8, 4, 500, 500, 128, torch.float16, True)
    tensors = inputs(case, seed=3)
    expected, expected_lse = reference.attention(*tensors, is_causal=True, sm_scale=0.1)
    output, lse = sageattention.sageattn_qk_int8_pv_fp16_cuda(
        *tensors,
        is_causal=True,
        qk_quant_gran=granularity,
        sm_scale=0.1,
        smooth_k=smooth_k,
        return_lse=True,
    )
    assert compare(output, expected).good(), compare(output, expected)
    assert (lse.double() - expected_lse).abs().mean() < 0.01


def test_sageattn_is_the_per_thread_kernel() -> None:
    tensors = inputs(Case(rows=300, keys=300))
    first = sageattention.sageattn(*tensors)
    assert compare(first, sageattention.sageattn_qk_int8_pv_fp16_cuda(*tensors).double()).good()


def test_a_common_offset_of_the_keys_does_not_matter() -> None:
    q, k, v = inputs(Case(rows=700, keys=700, head_dim=128))
    k = k + 30 * torch.randn(1, 8, 1, 128, device="cuda").half()
    expected, expected_lse = reference.attention(q, k, v)
    output, lse = sageattention.sageattn(q, k, v, return_lse=True)
    assert compare(output, expected).good(), compare(output, expected)
    assert (lse.double() - expected_lse).abs().mean() < 0.01


def test_large_scores_stay_finite() -> None:
    q, k, v = inputs(Case(rows=500, keys=500))
    output, lse = sageattention.sageattn(q * 100, k * 100, v, return_lse=True)
    assert bool(torch.isfinite(output).all())
    assert bool(torch.isfinite(lse).all())


@pytest.mark.parametrize("head_dim", [64, 128])
def test_zeros_give_the_mean_of_the_values(head_dim: int) -> None:
    q, k, v = inputs(Case(rows=100, keys=130, head_dim=head_dim))
    output, lse = sageattention.sageattn(q * 0, k * 0, v, return_lse=True)
    expected = v.double().mean(2, keepdim=True).expand(output.shape)
    torch.testing.assert_close(output.double(), expected, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(lse, torch.full_like(lse, 130.0).log(), rtol=1e-4, atol=1e-4)
