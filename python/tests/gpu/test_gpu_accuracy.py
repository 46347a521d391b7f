"""Accuracy of the public functions against exact attention in float64, and against the quantised oracle."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import gpu, kinds
from support.accuracy import compare
from support.cases import Case, inputs, nhd, oracle
from support.report import Measurement
from torch.nn.attention import SDPBackend, sdpa_kernel

import sageattention
from sageattention import _abi, reference

gpu.require()

DTYPES = (torch.float16, torch.bfloat16)
UNEQUAL = ((1, 4096), (17, 77), (77, 17), (128, 1000), (1000, 129), (4096, 1))

GRID = [
    Case(2, 8, key_heads, rows, rows, head_dim, dtype, is_causal)
    for head_dim, dtype, is_causal, rows, key_heads in itertools.product(
        (64, 128, 256), DTYPES, (False, True), (1, 17, 77, 128, 1000), (8, 2)
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
    for head_dim, dtype, is_causal in itertools.product((8, 40, 80, 160), DTYPES, (False, True))
]


def bound(kind: str, long: bool = False) -> float:
    """Largest relative L1. Few keys average out less of the rounding of E4M3."""
    if kind not in kinds.FP8_KINDS:
        return 0.02
    return kinds.FP8_BOUND if long else 0.05


@pytest.mark.parametrize("case", GRID, ids=str)
def test_sageattn_against_float64(case: Case, accuracies: list[Measurement]) -> None:
    tensors = inputs(case)
    expected, expected_lse = kinds.exact(*tensors, int(case.is_causal))
    kind = kinds.kind_of("auto", tensors[0])
    for layout in ("HND", "NHD"):
        given = tensors if layout == "HND" else tuple(nhd(x) for x in tensors)
        output, lse = sageattention.sageattn(
            *given, tensor_layout=layout, is_causal=case.is_causal, return_lse=True
        )
        assert (output.shape, output.dtype) == (given[0].shape, case.dtype)
        found = compare(output if layout == "HND" else output.transpose(1, 2), expected)
        lse_error = float((lse.double() - expected_lse).abs().mean())
        accuracies.append(
            Measurement(case, layout, found, lse_error, f"sageattn: {kind or 'plain'}", bound(kind))
        )
        assert found.good(bound(kind)), (layout, found)
        assert lse_error < kinds.LSE_BOUND.get(kind, 0.01), (layout, lse_error)


FUNCTIONS: dict[str, tuple[Any, str]] = {
    "sageattn": (sageattention.sageattn, "auto"),
    "fp16_cuda": (sageattention.sageattn_qk_int8_pv_fp16_cuda, "fp16"),
    "fp16_triton": (sageattention.sageattn_qk_int8_pv_fp16_triton, "triton"),
    "fp8_cuda": (sageattention.sageattn_qk_int8_pv_fp8_cuda, "fp8_accum_f16"),
    "fp8_cuda_sm90": (sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90, "fp8"),
}
LONG = [
    Case(1, 8, 8, 4096, 4096, head_dim, dtype, is_causal)
    for head_dim, dtype, is_causal in itertools.product((64, 128), DTYPES, (False, True))
]


@pytest.mark.parametrize("case", LONG, ids=str)
def test_functions_on_long_rows(case: Case, accuracies: list[Measurement]) -> None:
    """The bounds of the project at 4096 rows, and torch beside them."""
    tensors = inputs(case, seed=1)
    expected, expected_lse = kinds.exact(*tensors, int(case.is_causal))
    for name, (function, method) in FUNCTIONS.items():
        if method == "triton" and case.head_dim != 128:  # each takes seconds to compile
            continue
        output, lse = function(*tensors, is_causal=case.is_causal, return_lse=True)
        found, kind = compare(output, expected), kinds.kind_of(method, tensors[0])
        error = float((lse.double() - expected_lse).abs().mean())
        limit = bound(kind, long=True)
        accuracies.append(
            Measurement(case, "HND", found, error, f"{name}: {kind or 'plain'}", limit)
        )
        assert found.good(limit), (name, kind, found)
    for name, found in torch_accuracies(case, tensors, expected).items():
        accuracies.append(Measurement(case, "HND", found, 0.0, name))


def torch_accuracies(case: Case, tensors: Any, expected: torch.Tensor) -> dict[str, Any]:
    """What torch's own attention reaches, by backend."""
    found = {}
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        try:
            with sdpa_kernel(backend):
                output = F.scaled_dot_product_attention(*tensors, is_causal=case.is_causal)
        except RuntimeError:
            continue
        found[f"torch {backend.name.lower()}"] = compare(output, expected)
    return found


# Rounding of the softmax weights and of the output is all that may differ from the oracle.
ORACLE_BOUND = {torch.float16: 2e-3, torch.bfloat16: 4e-3}


@pytest.mark.parametrize("granularity", [_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "keys"), [(1, 1), (33, 65), (200, 127), (300, 1000)])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_against_the_quantised_oracle(
    granularity: int, is_causal: bool, dtype: torch.dtype, rows: int, keys: int, head_dim: int
) -> None:
    case = Case(1, 4, 2, rows, keys, head_dim, dtype, is_causal)
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
@pytest.mark.parametrize("pv_accum_dtype", ["fp32", "fp16+fp32", "fp16"])
def test_the_function_with_options(granularity: str, smooth_k: bool, pv_accum_dtype: str) -> None:
    case = Case(1, 8, 4, 500, 500, 128, torch.float16, True)
    tensors = inputs(case, seed=3)
    expected, expected_lse = reference.attention(*tensors, is_causal=True, sm_scale=0.1)
    output, lse = sageattention.sageattn_qk_int8_pv_fp16_cuda(
        *tensors,
        is_causal=True,
        qk_quant_gran=granularity,
        sm_scale=0.1,
        pv_accum_dtype=pv_accum_dtype,
        smooth_k=smooth_k,
        return_lse=True,
    )
    assert compare(output, expected).good(), compare(output, expected)
    assert (lse.double() - expected_lse).abs().mean() < 0.01


def test_a_common_offset_of_the_keys_does_not_matter() -> None:
    q, k, v = inputs(Case(rows=700, keys=700, head_dim=128))
    k = k + 30 * torch.randn(1, 8, 1, 128, device="cuda").half()
    expected, expected_lse = kinds.exact(q, k, v)
    output, lse = sageattention.sageattn(q, k, v, return_lse=True)
    assert compare(output, expected).good(0.05), compare(output, expected)
    assert (lse.double() - expected_lse).abs().mean() < 0.07


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
    torch.testing.assert_close(output.double(), expected, rtol=4e-3, atol=1e-3)
    torch.testing.assert_close(lse, torch.full_like(lse, 130.0).log(), rtol=1e-4, atol=1e-4)
