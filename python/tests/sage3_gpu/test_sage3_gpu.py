"""sageattn3 with kernels in FP4 on a GPU: those of SM 12.x, or the ones with an emulated product for SM 9.0.

scripts/gpu-results.sh runs these from the sources, because a wheel holds no emulated kernels: SAGEATTN3_FATBIN and
SAGEATTN_LIBRARY name what to load, and every call asks for backend="fp4".
"""

from __future__ import annotations

import os

import pytest

torch = pytest.importorskip("torch")

if not torch.cuda.is_available() or not os.environ.get("SAGEATTN3_FATBIN"):
    pytest.skip("needs a GPU, and SAGEATTN3_FATBIN for its kernels", allow_module_level=True)

from sageattn3 import _check, reference, sageattn3_blackwell

DTYPES = torch.bfloat16, torch.float16
# batch, query heads, key heads, query rows, key rows, head dim, causal
SHAPES = [
    (1, 2, 2, 256, 512, 128, False),
    (2, 4, 2, 150, 331, 64, True),
    (1, 3, 1, 200, 1000, 100, True),
    (1, 2, 2, 1, 77, 40, False),
    (1, 2, 2, 300, 129, 128, True),  # the first rows see no key
]


def operands(shape, dtype, seed=0):
    batch, heads, key_heads, rows, keys, head_dim, _ = shape
    generator = torch.Generator().manual_seed(seed)
    sizes = (heads, rows), (key_heads, keys), (key_heads, keys)
    return [torch.randn(batch, *size, head_dim, generator=generator).to(dtype).cuda() for size in sizes]


def same_arithmetic(q, k, v, causal):
    """The reference's output and LSE for grouped heads, on the CPU."""
    group = q.shape[1] // k.shape[1]
    k, v = (x.cpu().double().repeat_interleave(group, 1) for x in (k, v))
    return reference.attention(q.cpu().double(), k, v, causal)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_arithmetic(shape, dtype):
    q, k, v = operands(shape, dtype)
    before = [x.clone() for x in (q, k, v)]
    output, lse = sageattn3_blackwell(q, k, v, is_causal=shape[-1], return_lse=True, backend="fp4")
    assert all(map(torch.equal, before, (q, k, v)))
    wanted, wanted_lse = same_arithmetic(q, k, v, shape[-1])
    error = (output.cpu().double() - wanted).norm() / wanted.norm()
    assert output.dtype == dtype and error < 0.02
    unseen = wanted_lse == float("-inf")
    assert torch.equal(lse.cpu() == float("-inf"), unseen) and not output.cpu()[unseen].any()
    assert (lse.cpu().double() - wanted_lse)[~unseen].abs().max() < 0.02


def test_layout_and_strides():
    q, k, v = operands(SHAPES[1], torch.bfloat16)
    expected = sageattn3_blackwell(q, k, v, is_causal=True, backend="fp4")
    nhd = [x.transpose(1, 2).contiguous() for x in (q, k, v)]
    found = sageattn3_blackwell(*nhd, is_causal=True, tensor_layout="NHD", backend="fp4")
    assert torch.equal(found.transpose(1, 2), expected)
    strided = [x.transpose(1, 2) for x in nhd]
    assert torch.equal(sageattn3_blackwell(*strided, is_causal=True, backend="fp4"), expected)


def test_hidden_keys_change_nothing():
    q, k, v = operands(SHAPES[0], torch.bfloat16)
    mask = torch.ones(1, 1, 1, 512, dtype=torch.bool, device="cuda")
    mask[..., 256:] = False
    output = sageattn3_blackwell(q, k, v, mask, backend="fp4")
    exact = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=mask)
    cosine = torch.nn.functional.cosine_similarity(output.double().flatten(), exact.flatten(), dim=0)
    assert cosine > 0.98
    added = torch.zeros(512, device="cuda").masked_fill(~mask[0, 0, 0], float("-inf"))
    assert torch.equal(sageattn3_blackwell(q, k, v, added, backend="fp4"), output)


def test_graph_stream_and_compile():
    q, k, v = operands(SHAPES[0], torch.float16)

    def attend(q, k, v):
        return sageattn3_blackwell(q, k, v, backend="fp4")

    expected = attend(q, k, v)
    with torch.cuda.stream(torch.cuda.Stream()):
        elsewhere = attend(q, k, v)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = attend(q, k, v)
    captured.zero_()
    graph.replay()
    torch.cuda.synchronize()
    compiled = torch.compile(attend, fullgraph=True)(q, k, v)
    assert all(torch.equal(found, expected) for found in (elsewhere, captured, compiled))


def test_the_self_test_finds_nothing():
    found, status = _check.run()
    assert status == 0, _check.render(found)
