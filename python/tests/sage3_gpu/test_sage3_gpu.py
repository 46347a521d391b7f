"""sageattn3 with kernels in FP4 on a GPU: those of SM 12.x, or the ones with an emulated product for SM 9.0.

scripts/gpu-results.sh runs these from the sources, because a wheel holds no emulated kernels: SAGEATTN3_FATBIN and
SAGEATTN_LIBRARY name what to load, and every call asks for a backend.
"""

from __future__ import annotations

import functools
import os
import warnings

import pytest

torch = pytest.importorskip("torch")

if not torch.cuda.is_available() or not os.environ.get("SAGEATTN3_FATBIN"):
    pytest.skip("needs a GPU, and SAGEATTN3_FATBIN for its kernels", allow_module_level=True)

import sage3_callers

from sageattn3 import _check, _operator, _route, reference, sageattn3_blackwell
from sageattn3._core._kernels import has
from sageattn3._core._kinds import KINDS

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


# ---- what serves where FP4 does not


def exact(q, k, v, mask, causal):
    """Output and LSE in float64 of grouped heads."""
    group = q.shape[1] // k.shape[1]
    q, k, v = q.double(), *(x.double().repeat_interleave(group, 1) for x in (k, v))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask.double()
    if causal:
        rows, keys = scores.shape[-2:]
        seen = torch.ones(rows, keys, dtype=torch.bool, device=q.device).tril(keys - rows)
        scores = scores.masked_fill(~seen, -torch.inf)
    return torch.softmax(scores, -1).nan_to_num(0.0) @ v, scores.logsumexp(-1)


def some(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)).cuda() < 0.6


MASKS = {
    "none": lambda rows, keys: None,
    "keys": lambda rows, keys: some(keys),
    "keys of each batch": lambda rows, keys: some(2, 1, 1, keys),
    "rows": lambda rows, keys: some(rows, keys),
    "float": lambda rows, keys: torch.randn(1, 1, rows, keys, device="cuda"),
}


def has_int8():
    """Whether SAGEATTN3_FATBIN holds INT8 kernels for this GPU too."""
    return all(has(0, KINDS[kind], 128) for kind in ("fp16", "fp16_masked", "fp16_biased"))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("backend", ["int8", "torch"])
def test_fallbacks(backend, mask, causal):
    if backend == "int8" and not has_int8():
        pytest.skip("no INT8 kernels in SAGEATTN3_FATBIN")
    q, k, v = operands((2, 4, 2, 150, 331, 192, None), torch.bfloat16)
    mask = MASKS[mask](150, 331)
    wanted, wanted_lse = exact(q, k, v, mask, causal)
    for nhd in (False, True):
        given = [x.transpose(1, 2).contiguous() if nhd else x for x in (q, k, v)]
        layout = "NHD" if nhd else "HND"
        output, lse = sageattn3_blackwell(
            *given, mask, causal, tensor_layout=layout, return_lse=True, backend=backend
        )
        found = output.transpose(1, 2) if nhd else output
        assert (found.double() - wanted).norm() / wanted.norm() < 0.02
        assert (lse.double() - wanted_lse).abs().max() < 0.02


@pytest.mark.parametrize("backend", ["int8", "torch"])
def test_rows_that_see_nothing(backend):
    if backend == "int8" and not has_int8():
        pytest.skip("no INT8 kernels in SAGEATTN3_FATBIN")
    q, k, v = operands((1, 2, 2, 70, 40, 64, None), torch.float16)
    output, lse = sageattn3_blackwell(q, k, v, is_causal=True, return_lse=True, backend=backend)
    assert not output[:, :, :30].any() and (lse[:, :, :30] == -torch.inf).all()
    assert output[:, :, 30:].isfinite().all() and lse[:, :, 30:].isfinite().all()


@pytest.mark.parametrize("need", [{}, {"attn_mask": "rows"}, {"return_lse": True}])
def test_a_blackwell_without_fp4_is_served(need, monkeypatch):
    """As SM 10.0: FP4 is not there, INT8 kernels may be. One warning, and no refusal."""
    as_100 = functools.partial(_route.decide, sm=(10, 0), has_fp4=False, has_int8=has_int8())
    monkeypatch.setattr(_route, "choose", lambda device, wanted: as_100(wanted))
    monkeypatch.setattr(_operator, "_warned", set())
    _operator.PLANS.clear()
    q, k, v = operands((1, 2, 2, 150, 331, 128, None), torch.bfloat16)
    mask = some(150, 331) if "attn_mask" in need else None
    keywords = {**need, "attn_mask": mask} if mask is not None else need
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outputs = [sageattn3_blackwell(q, k, v, **keywords) for _ in range(3)]
    assert [str(one.message)[:10] for one in caught] == ["sageattn3:"]
    output = outputs[0][0] if isinstance(outputs[0], tuple) else outputs[0]
    wanted = exact(q, k, v, mask, False)[0]
    assert (output.double() - wanted).norm() / wanted.norm() < 0.02
    _operator.PLANS.clear()


# ---- calls as known programs write them


@pytest.mark.parametrize("name", list(sage3_callers.CALLERS))
def test_callers(name, monkeypatch):
    """They name no backend: the GPU's own route, or FP4 where its kernels are emulated."""
    monkeypatch.setattr(_route, "choose", lambda device, need: _route.Route(_route.FP4, "emulated"))
    _operator.PLANS.clear()
    q, k, v = operands((1, 8, 8, 1100, 330, 128, None), torch.bfloat16)
    before = [x.clone() for x in (q, k, v)]
    output = sage3_callers.CALLERS[name](q, k, v)
    assert output.shape == q.shape and all(map(torch.equal, before, (q, k, v)))
    wanted = exact(q, k, v, None, False)[0]
    cosine = torch.nn.functional.cosine_similarity(output.double().flatten(), wanted.flatten(), dim=0)
    assert cosine > 0.975
    _operator.PLANS.clear()


def test_the_self_test_finds_nothing():
    found, status = _check.run()
    assert status == 0, _check.render(found)
