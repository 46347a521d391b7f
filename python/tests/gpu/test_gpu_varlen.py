"""sageattn_varlen against exact attention of each sequence."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
import torch
from support import gpu, kinds
from support.accuracy import compare

from sageattention import reference, sageattn, sageattn_varlen

gpu.require()

LENGTHS = [
    ([64], [64]),
    ([1, 130, 77], [5, 64, 201]),
    ([0, 40, 0, 129, 0], [7, 40, 0, 300, 0]),
    ([128, 128], [0, 64]),
    ([33] * 40, [65] * 40),
]


def sequences(
    lengths: list[int], heads: int, head_dim: int, dtype: torch.dtype, seed: int
) -> tuple[torch.Tensor, list[int], torch.Tensor]:
    """Rows of all sequences, and their starts as a list and as a tensor."""
    generator = torch.Generator("cuda").manual_seed(seed)
    rows = torch.randn(sum(lengths), heads, head_dim, generator=generator, device="cuda")
    starts = [0, *accumulate(lengths)]
    return rows.to(dtype), starts, torch.tensor(starts, dtype=torch.int32, device="cuda")


def check(q: Any, k: Any, v: Any, found: Any, expected: Any) -> None:
    output, lse = found
    kind = kinds.kind_of("auto", q, varlen=True)
    bound = 0.045 if kind in kinds.FP8_KINDS else 0.02 if q.dtype == torch.float16 else 0.025
    assert compare(output, expected[0]).relative_l1 < bound, compare(output, expected[0])
    assert torch.equal(lse.isinf(), expected[1].isinf())
    assert (lse.double() - expected[1]).nan_to_num(0.0, 0.0, 0.0).abs().mean() < kinds.LSE_BOUND.get(kind, 0.02)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("head_dim", [64, 80, 128, 256])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_against_float64(lengths: Any, causal: int, head_dim: int, dtype: torch.dtype) -> None:
    q, q_starts, cu_q = sequences(lengths[0], 4, head_dim, dtype, 1)
    k, k_starts, cu_k = sequences(lengths[1], 2, head_dim, dtype, 2)
    v = sequences(lengths[1], 2, head_dim, dtype, 3)[0]
    k = k + 2
    found = sageattn_varlen(
        q, k, v, cu_q, cu_k, max(lengths[0]), max(lengths[1]),
        is_causal=causal > 0, causal_alignment="bottom_right" if causal == 2 else "top_left",
        return_lse=True,
    )  # fmt: skip
    expected = reference.varlen_attention(q, k, v, q_starts, k_starts, causal)
    check(q, k, v, found, expected)


@pytest.mark.parametrize("index_dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("smooth_k", [False, True])
def test_options(index_dtype: torch.dtype, smooth_k: bool) -> None:
    q, starts, cu = sequences([50, 70], 2, 64, torch.float16, 1)
    output, lse = sageattn_varlen(
        q,
        q,
        q,
        cu.to(index_dtype),
        cu.to(index_dtype),
        70,
        70,
        False,
        0.2,
        smooth_k,
        return_lse=True,
    )
    expected = reference.varlen_attention(q, q, q, starts, starts, False, 0.2)
    check(q, q, q, (output, lse), expected)


def test_one_sequence_is_the_dense_call() -> None:
    q, _, cu = sequences([200], 4, 128, torch.float16, 1)
    k, _, cu_k = sequences([300], 2, 128, torch.float16, 2)
    tensors = (x.transpose(0, 1)[None] for x in (q, k, k))
    kind = kinds.kind_of("auto", q, varlen=True)  # whatever a table says
    output = torch.ops.sageattention.forward_varlen(
        q, k, k, None, cu, cu_k, 200, 300, 0, 128**-0.5, f"only:{kind}", 3, True, False, None, None
    )[0]
    dense = torch.ops.sageattention.forward(
        *tensors, None, False, 0, 128**-0.5, f"only:{kind.replace('_varlen', '')}", 3, True, False
    )[0]
    torch.testing.assert_close(output, dense[0].transpose(0, 1), rtol=4e-3, atol=4e-3)


def test_strided_rows_and_untouched_inputs() -> None:
    fused = torch.randn(100, 3, 4, 64, device="cuda").half()
    copy = fused.clone()
    cu = torch.tensor([0, 30, 100], dtype=torch.int32, device="cuda")
    q, k, v = fused.unbind(1)
    output = sageattn_varlen(q, k, v, cu, cu, 70, 70)
    contiguous = (x.contiguous() for x in (q, k, v))
    assert torch.equal(output, sageattn_varlen(*contiguous, cu, cu, 70, 70))
    assert torch.equal(fused, copy)


def test_a_mask() -> None:
    q, starts, cu = sequences([60, 90], 2, 64, torch.float16, 1)
    mask = torch.rand(2, 1, 90, 90, device="cuda") > 0.3
    output = sageattn_varlen(q, q, q, cu, cu, 90, 90, attn_mask=mask)
    for b, (first, last) in enumerate(zip(starts, starts[1:])):
        rows = q[first:last].transpose(0, 1)[None]
        part = mask[b : b + 1, :, : last - first, : last - first]
        expected, _ = kinds.exact(rows, rows, rows, mask=part)
        assert compare(output[first:last].transpose(0, 1)[None], expected).good()


def test_does_not_wait_for_the_gpu_and_is_captured() -> None:
    q, _, cu = sequences([50, 70], 2, 64, torch.float16, 1)
    expected = sageattn_varlen(q, q, q, cu, cu, 70, 70)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = sageattn_varlen(q, q, q, cu, cu, 70, 70)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(output, expected)


def test_no_keys_at_all() -> None:
    q, _, cu = sequences([3, 4], 2, 64, torch.float16, 1)
    k, _, cu_k = sequences([0, 0], 2, 64, torch.float16, 1)
    output, lse = sageattn_varlen(q, k, k, cu, cu_k, 4, 0, return_lse=True)
    assert not output.any()
    assert bool((lse == float("-inf")).all())


def test_total_rows_beyond_a_dense_batch() -> None:
    """Many short sequences: the grid is that of the longest."""
    lengths = [1 + (i * 7) % 5 for i in range(3000)]
    q, starts, cu = sequences(lengths, 1, 64, torch.float16, 1)
    output = sageattn_varlen(q, q, q, cu, cu, 5, 5)
    picked = [0, 1, 1500, 2999]
    for i in picked:
        rows = q[starts[i] : starts[i + 1]].transpose(0, 1)[None]
        dense = sageattn(rows, rows, rows)[0].transpose(0, 1)
        torch.testing.assert_close(output[starts[i] : starts[i + 1]], dense, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_largest_length_as_a_tensor(device: str, masked: bool, compiled: bool) -> None:
    """It gives the bits that the number gives; torch.compile sees one graph."""
    lengths = [1, 130, 77]
    q, _, starts = sequences(lengths, 4, 64, torch.float16, 1)
    mask = torch.rand(3, 1, 130, 130, device="cuda") > 0.3 if masked else None

    def attend(longest: Any) -> Any:
        return sageattn_varlen(q, q, q, starts, starts, longest, longest, attn_mask=mask)

    function = attend
    if compiled:
        torch._dynamo.reset()
        function = torch.compile(attend, fullgraph=True)
    longest = torch.tensor(max(lengths), dtype=torch.int32, device=device)
    assert torch.equal(function(longest), attend(max(lengths)))
