"""The wgmma path of SM 9.0 against float64.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_wgmma.py
"""

import os

import pytest
import torch

if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("needs a GPU of SM 9.0", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from wgmma_library import Failure, Wgmma, abi

NAN = float("nan")
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
CAUSAL = [None, "top-left", "bottom-right"]

# batch, query heads, key heads, query rows, key rows
SHAPES = [
    (1, 2, 2, 1, 1), (2, 8, 2, 17, 17), (1, 8, 2, 77, 77), (2, 2, 2, 128, 128), (1, 4, 4, 1000, 1000),
    (1, 4, 1, 1024, 1024), (1, 2, 2, 77, 1000), (2, 4, 2, 1000, 77), (1, 2, 2, 1, 1024), (1, 2, 2, 193, 65),
    (1, 2, 2, 63, 191), (1, 3, 3, 577, 129), (3, 4, 2, 385, 640),
]  # fmt: skip


@pytest.fixture(scope="session")
def library():
    library = Wgmma()
    if not any(image.operation == b"attention_fp8_wgmma" for image in library.images()):
        pytest.skip("the fatbin holds another family alone")
    assert library.has("fp8_wgmma", 128)
    return library


def reference(q, k, v, causal=None, sm_scale=None):
    """(output, lse) in float64; rows that see no key give 0 and -infinity."""
    group = q.shape[1] // k.shape[1]
    k, v = (x.double().repeat_interleave(group, 1) for x in (k, v))
    scores = q.double() @ k.transpose(-1, -2) * (sm_scale or q.shape[-1] ** -0.5)
    if causal is not None:
        shift = k.shape[2] - q.shape[2] if causal == "bottom-right" else 0
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1 + shift)
        scores = scores.masked_fill(hidden, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0) @ v, scores.logsumexp(-1)


def relative(output, expected):
    """Relative L1; NaN if anything in output is."""
    return ((output.double() - expected).abs().sum() / expected.abs().sum().clamp_min(1e-9)).item()


def lse_bound(q, k, causal=None):
    """The largest error of each row's LSE: 0.0015 at 8192 keys, and more where fewer keys average out what rounding
    to INT8 takes from each score, about 0.012."""
    keys = torch.full((q.shape[2],), k.shape[2], device=q.device)
    if causal is not None:
        shift = k.shape[2] - q.shape[2] if causal == "bottom-right" else 0
        keys = (torch.arange(q.shape[2], device=q.device) + 1 + shift).clamp(1, k.shape[2])
    return 1.5e-3 * (8192 / keys) ** 0.5


def random(shape, dtype=torch.bfloat16, layout="HND", padding=0):
    """A [B, H, S, D] view of a tensor in a layout, with rows of NaN behind each head."""
    batch, heads, rows, dim = shape
    full = rows + padding
    size = (batch, heads, full, dim) if layout == "HND" else (batch, full, heads, dim)
    storage = torch.full(size, NAN, dtype=dtype, device="cuda")
    result = (storage if layout == "HND" else storage.transpose(1, 2))[:, :, :rows]
    return result.copy_(torch.randn(shape, device="cuda"))


def operands(shape, dim, dtype=torch.bfloat16, layout="HND", padding=0):
    torch.manual_seed(sum(shape) + dim)
    batch, query_heads, key_heads, query_rows, key_rows = shape
    q = random((batch, query_heads, query_rows, dim), dtype, layout, padding)
    k = random((batch, key_heads, key_rows, dim), dtype, layout, padding)
    v = random((batch, key_heads, key_rows, dim), dtype, layout, padding)
    return q, k, v


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(library, shape, dim, causal):
    q, k, v = operands(shape, dim, padding=3)
    k += torch.randn_like(k[:, :, :1]) * 2
    output, lse = library.wgmma(q, k, v, causal)
    expected, expected_lse = reference(q, k, v, causal)
    assert relative(output, expected) < 0.045
    unseen = expected_lse == float("-inf")
    assert torch.equal(lse == float("-inf"), unseen)
    assert not output[unseen].any()
    difference = (lse - expected_lse).abs() / lse_bound(q, k, causal)
    assert difference[~unseen].max() < 1


@pytest.mark.parametrize("shape", [(2, 32, 32, 1000, 200), (2, 32, 4, 2048, 65), (1, 16, 2, 1024, 300)], ids=str)
def test_rows_shared_out_for_many_heads(library, shape):
    """How a head's rows are shared out depends on how many heads there are; the output does not."""
    q, k, v = operands(shape, 128)
    output, lse = library.wgmma(q, k, v)
    expected, expected_lse = reference(q, k, v)
    assert relative(output, expected) < 0.045
    assert ((lse - expected_lse).abs() / lse_bound(q, k)).max() < 1.5  # of 64 heads
    group = shape[1] // shape[2]
    alone, alone_lse = library.wgmma(q[:1, -group:], k[:1, -1:], v[:1, -1:])
    assert torch.equal(alone, output[:1, -group:]) and torch.equal(alone_lse, lse[:1, -group:])


@pytest.mark.parametrize("causal", [None, "top-left", "bottom-right"], ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("shape", [(1, 16, 4, 2048, 2048), (1, 12, 12, 1000, 2100), (1, 5, 5, 3000, 1000)], ids=str)
def test_rows_shared_out_for_few_heads(library, shape, dim, causal):
    """Items of fewer rows, whose number depends on the heads and the causal limit."""
    q, k, v = operands(shape, dim)
    output, lse = library.wgmma(q, k, v, causal)
    expected, _ = reference(q, k, v, causal)
    for head in range(shape[1]):
        assert relative(output[:, head], expected[:, head]) < 0.045
    group = shape[1] // shape[2]
    alone, alone_lse = library.wgmma(q[:, :group], k[:, :1], v[:, :1], causal)
    assert torch.equal(alone, output[:, :group]) and torch.equal(alone_lse, lse[:, :group])


@pytest.mark.parametrize("dim", [1, 3, 8, 40, 63, 65, 72, 80, 96, 100, 120, 127])
def test_head_dims(library, dim):
    q, k, v = operands((2, 4, 2, 200, 333), dim)
    output, lse = library.wgmma(q, k, v, "bottom-right")
    expected, expected_lse = reference(q, k, v, "bottom-right")
    assert relative(output, expected) < 0.045
    assert (lse - expected_lse).abs().mean() < 5e-3


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [64, 120, 128])
def test_layouts(library, dtype, layout, dim):
    q, k, v = operands((2, 4, 2, 300, 300), dim, DTYPES[dtype], layout, padding=5)
    output = random(q.shape, DTYPES[dtype], layout, padding=5)
    behind = output.as_strided((output.untyped_storage().nbytes() // 2,), (1,), 0).isnan().sum()
    library.wgmma(q, k, v, "top-left", output=output)
    assert relative(output, reference(q, k, v, "top-left")[0]) < 0.045
    assert output.as_strided((output.untyped_storage().nbytes() // 2,), (1,), 0).isnan().sum() == behind


def test_unaligned_views(library):
    q, k, v = (x[..., 1:66] for x in operands((1, 2, 2, 200, 200), 67))
    assert relative(library.wgmma(q, k, v)[0], reference(q, k, v)[0]) < 0.045


def test_other_output_type(library):
    q, k, v = operands((1, 2, 2, 200, 200), 128)
    output = torch.full(q.shape, NAN, dtype=torch.float16, device="cuda")
    assert relative(library.wgmma(q, k, v, output=output)[0], reference(q, k, v)[0]) < 0.045


@pytest.mark.parametrize("dim", [64, 128])
def test_keys_with_a_mean(library, dim):
    q, k, v = operands((1, 4, 2, 700, 1500), dim)
    k += torch.randn_like(k[:, :, :1]) * 5
    expected, expected_lse = reference(q, k, v)
    smooth, lse = library.wgmma(q, k, v, smooth=True)
    rough, rough_lse = library.wgmma(q, k, v, smooth=False)
    assert relative(smooth, expected) < 0.045
    assert relative(smooth, expected) < relative(rough, expected)
    assert ((lse - expected_lse).abs() / lse_bound(q, k)).max() < 1
    assert (rough_lse - expected_lse).abs().mean() < 0.1


@pytest.mark.parametrize("causal", [None, "top-left"], ids=["full", "causal"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("rows", [1000, 8192])
def test_mean_of_values(library, rows, dim, causal):
    q, k, v = operands((1, 2, 2, rows, rows), dim)
    offset = (v.float() + 1).bfloat16()
    drift = (v.float() + torch.linspace(0, 4, rows, device="cuda")[:, None]).bfloat16()
    for values in (offset, drift):
        output, _ = library.wgmma(q, k, values, causal)
        expected, _ = reference(q, k, values, causal)
        assert abs(output.double().mean() / expected.mean() - 1) < 0.002


def test_values_that_the_attention_selects(library):
    """Half of the keys have one sign of value, and are those that are attended to: nothing cancels, nothing drifts."""
    q, k, v = operands((1, 2, 2, 512, 8192), 128)
    sign = torch.where(torch.rand(8192, device="cuda") < 0.5, 1.0, -1.0)[:, None]
    k[..., :1] = 6 * sign
    q[..., :1] = 6
    v += sign
    output, _ = library.wgmma(q, k, v)
    expected, _ = reference(q, k, v)
    assert abs(output.double().mean() / expected.mean() - 1) < 0.002


@pytest.mark.parametrize("dim", [64, 128])
def test_accuracy_of_long_rows(library, dim):
    q, k, v = operands((1, 2, 2, 1024, 8192), dim)
    output, lse = library.wgmma(q, k, v)
    expected, expected_lse = reference(q, k, v)
    assert relative(output, expected) < 0.036
    assert (lse - expected_lse).abs().max() < 1e-3
    assert (lse - expected_lse).abs().mean() < 3e-4


@pytest.mark.parametrize("dim", [64, 128])
def test_the_lse_costs_the_output_nothing(library, dim):
    """With the LSE the scale of a query is another, and probabilities are summed twice: the output is as good."""
    q, k, v = operands((1, 4, 2, 500, 3000), dim)
    expected, _ = reference(q, k, v)
    with_lse, without = (library.wgmma(q, k, v, want_lse=want)[0] for want in (True, False))
    assert relative(with_lse, expected) < 0.045 and relative(without, expected) < 0.045
    assert relative(with_lse, without.double()) < 0.03


@pytest.mark.parametrize("shape", [(0, 2, 2, 8, 8), (1, 0, 1, 8, 8), (1, 2, 2, 0, 8)], ids=str)
def test_nothing_to_do(library, shape):
    q, k, v = operands(shape, 64)
    output, lse = library.wgmma(q, k, v)
    assert output.numel() == 0 and lse.numel() == 0


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
def test_no_keys(library, causal):
    q, k, v = operands((1, 2, 2, 100, 0), 64)
    output, lse = library.wgmma(q, k, v, causal)
    assert not output.any()
    assert (lse == float("-inf")).all()


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scales(library, scale):
    q, k, v = operands((1, 2, 2, 300, 300), 128)
    q, k, v = q * scale, k / scale, v * scale
    assert relative(library.wgmma(q, k, v)[0], reference(q, k, v)[0]) < 0.045


def test_zeros(library):
    q, k, v = operands((1, 2, 2, 300, 333), 128)
    for a, b, c in ((q * 0, k, v), (q, k * 0, v), (q, k, v * 0)):
        output, lse = library.wgmma(a, b, c)
        expected, expected_lse = reference(a, b, c)
        assert relative(output, expected) < 0.045 or not output.any()
        assert (lse - expected_lse).abs().mean() < 0.01


@pytest.mark.parametrize("causal", [None, "top-left"], ids=["full", "causal"])
def test_repeatable(library, causal):
    q, k, v = operands((2, 8, 4, 1500, 1500), 128)
    first, first_lse = library.wgmma(q, k, v, causal)
    for _ in range(5):
        output, lse = library.wgmma(q, k, v, causal)
        assert torch.equal(output, first) and torch.equal(lse, first_lse)


BEHIND = [
    (1, 2, 2, 100, 100), (1, 16, 16, 1024, 1024), (2, 32, 8, 1000, 300), (1, 3, 1, 4096, 5000), (2, 32, 32, 64, 77),
]  # fmt: skip


@pytest.mark.parametrize("causal", [None, "top-left"], ids=["full", "causal"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("shape", BEHIND, ids=str)
def test_calls_behind_each_other(library, shape, dim, causal):
    """The attention begins while tiles are still packed, and must not take what an earlier call left there."""
    calls = []
    for scale in (1.0, -2.0, 0.5):
        q, k, v = operands(shape, dim)
        q, k, v = q * scale, k * scale, v * scale
        calls.append((q, k, v, library.wgmma(q, k, v, causal, want_lse=False)[0]))
    outputs = [torch.full_like(calls[0][0], NAN) for _ in range(30)]
    params = [library.params(*calls[i % 3][:3], output, causal) for i, output in enumerate(outputs)]
    workspace = torch.empty(library.workspace(params[0]), dtype=torch.uint8, device="cuda")
    for x in params:
        library.launch(x, workspace)
    for i, output in enumerate(outputs):
        assert torch.equal(output, calls[i % 3][3])


def test_steps_and_capture(library):
    q, k, v = operands((1, 4, 4, 500, 500), 128)
    expected, expected_lse = library.wgmma(q, k, v, "top-left")
    output, lse = torch.full_like(q, NAN), torch.full_like(expected_lse, NAN)
    params = library.params(q, k, v, output, "top-left", lse=lse)
    workspace = torch.empty(library.workspace(params), dtype=torch.uint8, device="cuda")
    library.launch(params, workspace, abi.WGMMA_QUANTIZE)
    for _ in range(2):
        output.fill_(NAN)
        library.launch(params, workspace, abi.WGMMA_ATTEND)
        assert torch.equal(output, expected) and torch.equal(lse, expected_lse)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        library.launch(params, workspace)
    output.fill_(NAN)
    graph.replay()
    assert torch.equal(output, expected)


def test_refusals(library):
    q, k, v = operands((1, 2, 2, 100, 100), 128)
    workspace = torch.empty(64, dtype=torch.uint8, device="cuda")
    with pytest.raises(Failure, match="the workspace has 64 bytes"):
        library.launch(library.params(q, k, v, q), workspace)
    with pytest.raises(Failure, match="no multiple"):
        library.workspace(library.params(q.expand(1, 2, 100, 128), k.repeat(1, 2, 1, 1)[:, :3], v, q))
    wide = operands((1, 1, 1, 10, 10), 129)
    with pytest.raises(Failure, match="head_dim is 129"):
        library.workspace(library.params(*wide, wide[0]))
