"""Sequences behind each other on the wgmma path of SM 9.0, against float64.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_wgmma_varlen.py
"""

import itertools
import os

import pytest
import torch

if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("needs a GPU of SM 9.0", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from test_wgmma import CAUSAL, NAN, library, operands, reference, relative  # noqa: F401

# Lengths of queries and of keys.
LENGTHS = {
    "one": ([300], [300]),
    "equal": ([128, 128, 128], [128, 128, 128]),
    "ragged": ([1, 700, 64, 193, 2], [130, 3, 512, 1000, 1]),
    "empty": ([0, 200, 50, 0, 10], [100, 0, 300, 0, 129]),
    "many": (list(range(1, 80)), list(range(80, 1, -1))),
    "long": ([20000, 10], [17000, 30]),
    "hundreds": ([5, 1, 0] * 200, [1, 9, 4] * 200),
}


def starts_of(lengths):
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32, device="cuda")


def sequences(q, k, v, starts, causal):
    """Output and LSE of each sequence by itself."""
    output, lse = torch.zeros(q.shape, dtype=torch.float64, device="cuda"), torch.zeros(q.shape[:3], device="cuda")
    for (a, b), (c, d) in zip(*(itertools.pairwise(x.tolist()) for x in starts)):
        if b == a:
            continue
        if d == c:
            lse[:, :, a:b] = float("-inf")
            continue
        o, l = reference(q[:, :, a:b], k[:, :, c:d], v[:, :, c:d], causal)  # noqa: E741
        output[:, :, a:b], lse[:, :, a:b] = o, l
    return output, lse


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 80, 128])
@pytest.mark.parametrize("name", LENGTHS)
def test_sequences(library, name, dim, causal):  # noqa: F811
    queries, keys = LENGTHS[name]
    q, k, v = operands((1, 4, 2, sum(queries), sum(keys)), dim, layout="NHD")
    k += torch.randn_like(k[:, :, :1]) * 2
    v += torch.linspace(0, 3, v.shape[2], device="cuda", dtype=v.dtype)[:, None]
    starts = starts_of(queries), starts_of(keys)
    output, lse = library.wgmma(q, k, v, causal, starts=starts)
    wanted, wanted_lse = sequences(q, k, v, starts, causal)
    unseen = wanted_lse == float("-inf")
    assert torch.equal(lse == float("-inf"), unseen) and not output[unseen].any()
    assert relative(output, wanted) < 0.045
    assert (lse - wanted_lse)[~unseen].abs().mean() < 6e-3
    again, again_lse = library.wgmma(q, k, v, causal, starts=starts)
    assert torch.equal(again, output) and torch.equal(again_lse, lse)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("dim", [64, 128])
def test_same_as_alone(library, dim, dtype):  # noqa: F811
    """A sequence has its own means and scales: others beside it do not matter."""
    q, k, v = operands((1, 4, 2, 1000, 1000), dim, dtype, layout="NHD")
    k[:, :, :300] *= 30
    v[:, :, :300] = NAN
    starts = (starts_of([300, 700]),) * 2
    output, lse = library.wgmma(q, k, v, starts=starts)
    alone, alone_lse = library.wgmma(*(x[:, :, 300:] for x in (q, k, v)))
    assert torch.equal(output[:, :, 300:], alone) and torch.equal(lse[:, :, 300:], alone_lse)


def test_rows_beyond_the_largest_length_are_left_out(library):  # noqa: F811
    q, k, v = operands((1, 2, 2, 500, 500), 128, layout="NHD")
    starts = (starts_of([200, 300]),) * 2
    output = torch.full_like(q, NAN)
    params = library.params(q, k, v, output, starts=starts)
    params.query_rows = params.key_rows = 250
    library.launch(params, torch.empty(library.workspace(params), dtype=torch.uint8, device="cuda"))
    assert output[:, :, :450].isfinite().all() and output[:, :, 450:].isnan().all()
    alone, _ = library.wgmma(*(x[:, :, 200:450] for x in (q, k, v)), want_lse=False)
    assert torch.equal(output[:, :, 200:450], alone)


def test_a_graph_takes_other_starts(library):  # noqa: F811
    q, k, v = operands((1, 4, 4, 600, 600), 128, layout="NHD")
    starts = (starts_of([100, 500]),) * 2
    output = torch.full_like(q, NAN)
    params = library.params(q, k, v, output, "top-left", starts=starts)
    workspace = torch.empty(library.workspace(params), dtype=torch.uint8, device="cuda")
    library.launch(params, workspace)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        library.launch(params, workspace)
    starts[0].copy_(starts_of([350, 250]))
    graph.replay()
    assert torch.equal(output, library.wgmma(q, k, v, "top-left", starts=starts, want_lse=False)[0])
