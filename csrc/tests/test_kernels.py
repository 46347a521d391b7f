"""Kernels against float64, on a GPU: every test runs the family whose images SAGEATTN_FATBIN holds.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests

This is for the images that the GPU at hand chooses from a wheel, and for families that it does not choose (PTX of
an older one): those leave out what no family can change, with -m "not library".
"""

import os
import subprocess
import sys

import pytest
import torch

import reference

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from cases import DTYPES, NAN, check, operand, operands
from library import GRANULARITIES, Failure, abi

library_only = pytest.mark.library

# batch, query heads, key heads, query rows, key rows
SHAPES = [
    (1, 8, 8, 1, 1), (2, 8, 2, 17, 17), (1, 32, 8, 77, 77), (2, 8, 8, 128, 128), (1, 32, 32, 1000, 1000),
    (1, 8, 1, 4096, 4096), (2, 32, 8, 4096, 4096), (1, 8, 8, 77, 1000), (2, 8, 4, 1000, 77), (1, 8, 8, 1, 4096),
    (1, 8, 8, 129, 65), (1, 8, 8, 63, 191),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "granularity"), [("HND", "thread"), ("NHD", "block")])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_accuracy(library, record_property, shape, dim, causal, dtype, layout, granularity):
    q, k, v = operands(shape, dim, DTYPES[dtype], layout)
    output, lse = library.attention(q, k, v, granularity, causal)
    check(output, lse, q, k, v, causal, lambda text: record_property("errors", text))


@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_per_warp(library, dim, causal):
    q, k, v = operands((1, 8, 4, 300, 300), dim, torch.float16, "HND")
    output, lse = library.attention(q, k, v, "warp", causal)
    check(output, lse, q, k, v, causal)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [64, 128])
def test_large_key_mean_needs_smoothing(library, dim, dtype):
    q, k, v = operands((1, 8, 4, 512, 1000), dim, DTYPES[dtype], "HND", key_mean=10.0)
    output, lse = library.attention(q, k, v, "thread", False)
    check(output, lse, q, k, v, False)
    rough, _ = library.attention(q, k, v, "thread", False, smooth=False)
    expected, _ = reference.attention(q, k, v, False, dim**-0.5)
    assert reference.errors(output, expected)[1] < reference.errors(rough, expected)[1] / 2


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("dim", [64, 128])
def test_what_lies_behind_the_tails_is_neither_read_nor_written(library, dim, causal, layout):
    shape = (2, 8, 2, 77, 131)
    q, k, v = operands(shape, dim, torch.float16, layout, padding=70)
    whole = torch.full((2, 8, 77 + 70, dim), 5.0, dtype=torch.float16, device="cuda")
    output, lse = library.attention(q, k, v, "thread", causal, output=whole[:, :, :77])
    check(output, lse, q, k, v, causal)
    assert (whole[:, :, 77:] == 5.0).all()


@library_only
@pytest.mark.parametrize("dim", [40, 64, 100, 128, 256])
@pytest.mark.parametrize("offset", [0, 1])
def test_unaligned_rows(library, dim, offset):
    """Rows of an odd number of elements, starting anywhere: the slow path gives the same bits."""
    q, k, v = operands((1, 4, 2, 100, 150), dim, torch.bfloat16, "HND")

    def misaligned(x):
        storage = torch.empty((*x.shape[:3], dim + 3), dtype=x.dtype, device="cuda").fill_(99)
        place = storage[..., offset : offset + dim]
        return place.copy_(x)

    aligned, _ = library.attention(q, k, v)
    output = misaligned(torch.zeros_like(q))
    library.attention(misaligned(q), misaligned(k), misaligned(v), output=output)
    assert torch.equal(aligned, output)
    k8, k_scale, _ = library.quantize(k, abi.KEY, 3)
    q8, q_scale, _ = library.quantize(q, abi.QUERY, 3, output=misaligned(torch.zeros_like(q, dtype=torch.int8)))
    again = torch.full_like(q, NAN)
    library.attend(q8, misaligned(k8), v, again, q_scale, k_scale, 3, dim**-0.5)
    straight = torch.full_like(q, NAN)
    library.attend(q8.contiguous(), k8, v, straight, q_scale, k_scale, 3, dim**-0.5)
    assert torch.equal(again, straight)


@pytest.mark.parametrize("dim", [40, 64, 100, 128, 200, 256])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("side", ["query", "key"])
@pytest.mark.parametrize("rows", [1, 63, 129, 1000])
def test_quantize_is_bit_exact(library, rows, side, granularity, dtype, dim):
    x = operand((2, 3, rows, dim), DTYPES[dtype], "NHD", 2.0, padding=9)
    x[0, 0] = 0  # a group of zeros
    number, which = GRANULARITIES[granularity], abi.KEY if side == "key" else abi.QUERY
    mean = library.mean(x) if side == "key" else None
    q, scale, _ = library.quantize(x, which, number, mean)
    expected, expected_scale = reference.quantize(x, which, granularity, scale.shape[2], mean)
    assert torch.equal(scale, expected_scale)
    assert torch.equal(q, expected)


@library_only
@pytest.mark.parametrize("dim", [1, 64, 100, 128, 256])
@pytest.mark.parametrize("rows", [0, 1, 77, 5000])
def test_mean_and_mean_dot(library, rows, dim):
    k = operand((2, 3, rows, dim), torch.bfloat16, "NHD", 3.0, padding=5)
    q = operand((2, 6, 200, dim), torch.bfloat16, "HND")
    mean = library.mean(k)
    expected = k.double().mean(2) if rows else torch.zeros_like(mean, dtype=torch.float64)
    assert (mean - expected).abs().max() < 1e-4
    _, _, dot = library.quantize(q, abi.QUERY, 3, mean, want_dot=True)
    exact = torch.einsum("bhsd,bhd->bhs", q.double(), mean.double().repeat_interleave(2, 1))
    assert (dot - exact).abs().max() < 1e-3


def test_no_keys_give_zero_and_minus_infinity(library):
    q, k, v = operands((1, 2, 1, 130, 0), 64, torch.float16, "HND")
    output, lse = library.attention(q, k, v)
    assert (output == 0).all() and (lse == float("-inf")).all()


@library_only
def test_no_queries_or_no_batch_is_no_launch(library):
    for shape in [(1, 2, 1, 0, 5), (0, 2, 1, 5, 5)]:
        q, k, v = operands(shape, 64, torch.float16, "HND")
        output, _ = library.attention(q, k, v, smooth=False)
        assert output.shape == q.shape


@library_only
def test_values_beyond_float16_range(library):
    """bfloat16 values up to 1e6 must not turn into infinity or NaN."""
    q, k, v = operands((1, 2, 2, 64, 64), 64, torch.bfloat16, "HND")
    output, _ = library.attention(q, k, v * 1e6)
    assert output.isfinite().all()


def test_more_heads_than_a_grid_dimension_takes(library):
    q, k, v = operands((2, 40000, 40000, 1, 3), 64, torch.float16, "HND")
    output, _ = library.attention(q, k, v)
    scores = (q.double() @ k.double().mT * 0.125).softmax(-1)
    cosine, relative = reference.errors(output, scores @ v.double())
    assert cosine > 0.999 and relative < 0.02


@library_only
@pytest.mark.skipif("emulated" in os.environ.get("SAGEATTN_FAMILY_NOTE", ""), reason="one block would take minutes")
def test_offsets_beyond_32_bits(library):
    rows, dim = 2**31 // 128 + 1000, 128
    k = torch.empty(1, 1, rows, dim, dtype=torch.bfloat16, device="cuda").normal_()
    v = torch.zeros(1, 1, rows, dim, dtype=torch.bfloat16, device="cuda")
    q = torch.zeros(1, 1, 1, dim, dtype=torch.bfloat16, device="cuda")
    q[..., 0] = 16.0
    k[:, :, -500:, 0] = 60.0  # the last keys win by far: e^(16 * 60 / 11.3)
    v[:, :, -500:] = 1.0
    output, _ = library.attention(q, k, v, smooth=False)
    assert (output - 1.0).abs().max() < 0.01


def test_two_runs_give_the_same_bits(library):
    q, k, v = operands((2, 8, 2, 1000, 1000), 128, torch.bfloat16, "NHD")
    first, first_lse = library.attention(q, k, v, causal=True)
    for _ in range(5):
        again, again_lse = library.attention(q, k, v, causal=True)
        assert torch.equal(first, again) and torch.equal(first_lse, again_lse)


def test_refuses_what_no_kernel_takes(library):
    q, k, v = operands((1, 3, 2, 8, 8), 64, torch.float16, "HND")
    with pytest.raises(Failure, match="3 query heads are no multiple of 2 key heads"):
        library.attention(q, k, v)
    with pytest.raises(Failure, match="sm_scale is -1"):
        library.attention(q[:, :2], k, v, sm_scale=-1.0)
    with pytest.raises(Failure, match="head_dim is 257"):
        library.mean(torch.zeros(1, 1, 1, 257, dtype=torch.float16, device="cuda"))
    with pytest.raises(Failure, match="block rows of queries is 32, it must be 128 or 64"):
        library.attention(q[:, :2], k, v, blocks=(32, 0, 0))


_FIRST_CALL_IN_CAPTURE = """
import sys, torch
sys.path.insert(0, {here!r})
from library import Library
library = Library()
torch.manual_seed(0)
q, k, v = (torch.randn(1, 4, 300, 64, dtype=torch.float16, device="cuda") for _ in range(3))
torch.cuda.synchronize()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    output, lse = library.attention(q, k, v)
output.fill_(float("nan"))
graph.replay()
torch.cuda.synchronize()
assert torch.equal(output, library.attention(q, k, v)[0])
print("captured")
"""


@library_only
def test_first_call_inside_a_graph_capture():
    """Loading happens in the capture and must not break it; a second process, because this one has loaded."""
    script = _FIRST_CALL_IN_CAPTURE.format(here=os.path.dirname(os.path.abspath(__file__)))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0 and "captured" in result.stdout, result.stderr


_NO_IMAGE = """
import sys, torch
sys.path.insert(0, {here!r})
from library import Failure, Library
library = Library({fatbin!r})
assert library.device().usable == 0
try:
    library.mean(torch.zeros(1, 1, 8, 64, dtype=torch.float16, device="cuda"))
except Failure as failure:
    print(failure)
"""


@library_only
@pytest.mark.skipif("SAGEATTN_OTHER_FATBIN" not in os.environ, reason="set SAGEATTN_OTHER_FATBIN to images of SM 12.0")
def test_missing_image_names_the_gpu_and_what_the_fatbin_holds():
    here = os.path.dirname(os.path.abspath(__file__))
    script = _NO_IMAGE.format(here=here, fatbin=os.environ["SAGEATTN_OTHER_FATBIN"])
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    major, minor = torch.cuda.get_device_capability()
    assert f"(SM {major}.{minor})" in result.stdout and "holds SM 12.0" in result.stdout, result.stdout + result.stderr
