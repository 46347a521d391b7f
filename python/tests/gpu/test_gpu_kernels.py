"""Every kind of kernel against exact attention: head dims, lengths, causal masks, dtypes, layouts, groups."""

from __future__ import annotations

import itertools

import pytest
import torch
from support import gpu, kinds
from support.cases import Case, inputs, nhd

from sageattention import _abi

gpu.require()

OPERATORS = torch.ops.sageattention
PLAIN = kinds.PLAIN
HEAD_DIMS = (1, 40, 64, 72, 96, 128, 160, 192, 256)
SHAPES = ((1, 1), (77, 133), (200, 64), (128, 300))


def forward(
    kind: str, tensors: tuple[torch.Tensor, ...], causal: int, layout_nhd: bool, lse: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """One call of a kind of kernel; output as HND."""
    q, k, v = (nhd(x) for x in tensors) if layout_nhd else tensors
    output, found = OPERATORS.forward(
        q, k, v, None, layout_nhd, causal, q.shape[-1] ** -0.5, f"only:{kind}",
        _abi.PER_THREAD, True, lse,
    )  # fmt: skip
    return (output.transpose(1, 2) if layout_nhd else output), found


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("head_dim", HEAD_DIMS)
@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_kind(kind: str, head_dim: int, causal: int, dtype: torch.dtype) -> None:
    if not kinds.available(kind, head_dim):
        pytest.skip(f"no such kernel for head dim {head_dim} here")
    for layout_nhd, (rows, keys) in itertools.product((False, True), SHAPES):
        case = Case(2, 6, 2 if rows < 200 else 6, rows, keys, head_dim, dtype)
        tensors = inputs(case, seed=rows)
        expected, expected_lse = kinds.exact(*tensors, causal)
        output, lse = forward(kind, tensors, causal, layout_nhd)
        rough = kinds.same_precision(*tensors, causal)
        kinds.check(kind, output, expected, rough, fp8_bound=0.05 if head_dim > 1 else 0.1)
        assert torch.equal(lse.isinf(), expected_lse.isinf())
        error = (lse.double() - expected_lse).nan_to_num(0.0, 0.0, 0.0).abs().mean()
        assert error < kinds.LSE_BOUND.get(kind, 0.01), (rows, keys, float(error))


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("causal", [0, 1])
def test_long_rows(kind: str, causal: int) -> None:
    """The bound of the project: S = 4096, D = 128."""
    if not kinds.available(kind, 128):
        pytest.skip("no such kernel here")
    tensors = inputs(Case(1, 8, 8, 4096, 4096, 128), seed=1)
    expected, _ = kinds.exact(*tensors, causal)
    output, _ = forward(kind, tensors, causal, False)
    kinds.check(kind, output, expected, kinds.same_precision(*tensors, causal))


@pytest.mark.parametrize("kind", [k for k in PLAIN if k != "fp8_wgmma"])  # which rounds queries otherwise with an LSE
def test_lse_changes_no_bit(kind: str) -> None:
    if not kinds.available(kind, 64):
        pytest.skip("no such kernel here")
    tensors = inputs(Case(1, 2, 2, 100, 130, 64))
    assert torch.equal(
        forward(kind, tensors, 0, False)[0], forward(kind, tensors, 0, False, False)[0]
    )


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("smooth_k", [False, True])
@pytest.mark.parametrize("granularity", [1, 2, 3])
def test_granularities(kind: str, smooth_k: bool, granularity: int) -> None:
    if not kinds.available(kind, 64):
        pytest.skip("no such kernel here")
    q, k, v = inputs(Case(1, 4, 2, 300, 290, 64), seed=5)
    expected, expected_lse = kinds.exact(q, k, v, sm_scale=0.1)
    output, lse = OPERATORS.forward(
        q, k, v, None, False, 0, 0.1, f"only:{kind}", granularity, smooth_k, True
    )
    rough = kinds.same_precision(q, k, v, sm_scale=0.1, granularity=granularity)
    kinds.check(kind, output, expected, rough, fp8_bound=0.05)
    assert (lse.double() - expected_lse).abs().mean() < kinds.LSE_BOUND.get(kind, 0.01)
