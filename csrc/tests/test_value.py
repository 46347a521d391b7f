"""E4M3 values on a GPU: the quantiser against the same expressions in PyTorch, the kernels against float64.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_value.py
"""

import ctypes
import os

import pytest
import torch

import reference

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from library import KINDS, Failure, Library, abi, dtype, stream, view

pytestmark = [
    pytest.mark.library,
    pytest.mark.skipif(
        torch.cuda.get_device_capability() < (8, 9), reason="FP8 kernels begin with SM 8.9"
    ),
]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
E4M3_KINDS = [kind.name for kind in KINDS.values() if kind.e4m3 and kind.launcher == "attention"]
ORDER = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]


@pytest.fixture(scope="session")
def library():
    return Library()


def padded(rows, multiple=64):
    return -(-rows // multiple) * multiple


def quantize(library, v, scale_max=448.0, smooth=True, output=None, padded_rows=None):
    """(E4M3 [B, H, D, padded rows], scale, mean or None) of a [B, H, S, D] view."""
    batch, heads, rows, dim = v.shape
    keys = padded(rows) if padded_rows is None else padded_rows
    if output is None:
        output = torch.full((batch, heads, dim, keys), 0x7F, dtype=torch.uint8, device="cuda")
    scale = torch.full((batch, heads, dim), float("nan"), device="cuda")
    mean = torch.full_like(scale, float("nan")) if smooth else None
    size = library._library.sageattn_value_workspace(batch, heads, rows, dim)
    workspace = torch.full((max(size, 1),), float("nan"), device="cuda")
    params = abi.QuantizeValueParams(
        size=ctypes.sizeof(abi.QuantizeValueParams), input=view(v), output=view(output), scale=scale.data_ptr(),
        mean=None if mean is None else mean.data_ptr(), workspace=workspace.data_ptr(), batch=batch, heads=heads,
        rows=rows, padded_rows=keys, head_dim=dim, scale_max=scale_max, dtype=dtype(v), smooth=int(smooth),
    )  # fmt: skip
    library.call("sageattn_quantize_value", ctypes.byref(params), 0, stream())
    return output.view(torch.float8_e4m3fn), scale, mean


def straighten(output, rows):
    """Keys in their order, as float32 [B, H, S, D], and the padding."""
    groups = output.float().unflatten(-1, (-1, 16))
    straight = torch.empty_like(groups)
    straight[..., ORDER] = groups
    straight = straight.flatten(-2).mT
    return straight[:, :, :rows], straight[:, :, rows:]


def expected(v, scale_max, mean):
    """The rule of sageattn.h, one rounding an operation: (E4M3 as float32, scale)."""
    x = v.float() if mean is None else v.float() - mean[:, :, None]
    scale = x.abs().amax(2) / torch.full_like(x[:, :, 0], scale_max)
    scale = torch.where(scale < torch.finfo(torch.float32).tiny, torch.ones_like(scale), scale)
    rounded = (x * scale.reciprocal()[:, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    return rounded.float(), scale


def operand(shape, kind, nhd=False, seed=0):
    torch.manual_seed(1000 * seed + sum(shape))
    batch, heads, rows, dim = shape
    size = (batch, rows, heads, dim) if nhd else shape
    x = torch.randn(size, device="cuda").to(kind)
    return x.transpose(1, 2) if nhd else x


@pytest.mark.parametrize("scale_max", [448.0, 2.25])
@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("dim", [1, 24, 64, 96, 128, 256])
@pytest.mark.parametrize("rows", [1, 64, 77, 257, 3000])
def test_bit_exact(library, rows, dim, kind, scale_max):
    v = operand((2, 3, rows, dim), DTYPES[kind], nhd=rows % 2 == 1)
    v[0, 0, :, 0] = 0  # an empty channel
    output, scale, _ = quantize(library, v, scale_max, smooth=False)
    rounded, expected_scale = expected(v, scale_max, None)
    straight, padding = straighten(output, rows)
    assert torch.equal(scale, expected_scale)
    assert torch.equal(straight, rounded)
    assert (padding == 0).all() and scale[0, 0, 0] == 1


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("rows", [1, 77, 1024, 9000])
def test_smooth_is_bit_exact(library, rows, kind):
    """Multiples of 1/16 have exact sums in any order, so that the mean before the correction is known."""
    torch.manual_seed(rows)
    v = (torch.randint(-60, 61, (2, 2, rows, 64), device="cuda") / 16 + 3).to(DTYPES[kind])
    output, scale, mean = quantize(library, v)
    first = v.float().sum(2) / torch.full((1,), float(rows), device="cuda")
    rounded, expected_scale = expected(v, 448.0, first)
    straight, _ = straighten(output, rows)
    assert torch.equal(scale, expected_scale)
    assert torch.equal(straight, rounded)
    correction = (v.double() - first.double()[:, :, None] - straight.double() * scale.double()[:, :, None]).mean(2)
    assert (mean.double() - first.double() - correction).abs().max() < 1e-6
    assert all(torch.equal(a, b) for a, b in zip((scale, mean), quantize(library, v)[1:]))


def test_constant_channels_are_exact(library):
    """All of a constant lies in its mean, none in E4M3."""
    v = torch.full((1, 1, 500, 64), 3.14, dtype=torch.float16, device="cuda")
    output, scale, mean = quantize(library, v)
    straight, _ = straighten(output, 500)
    assert (straight * scale[:, :, None] + mean[:, :, None] - v.float()).abs().max() < 1e-5


def test_unaligned_views_and_wide_padding(library):
    v = operand((1, 2, 300, 64), torch.float16)
    storage = torch.zeros(1, 2, 300, 67, dtype=torch.float16, device="cuda")
    odd = storage[..., 1:65].copy_(v)
    target = torch.full((1, 2, 64, 1024 + 3), 0x11, dtype=torch.uint8, device="cuda")
    output, scale, mean = quantize(library, odd, output=target[..., 1:1025], padded_rows=1024)
    straight, straight_scale, straight_mean = quantize(library, v)
    assert torch.equal(output[..., :320].view(torch.uint8), straight.view(torch.uint8))
    assert (output[..., 320:].view(torch.uint8) == 0).all()
    assert (target[..., 0] == 0x11).all() and (target[..., 1025:] == 0x11).all()
    assert torch.equal(scale, straight_scale) and torch.equal(mean, straight_mean)


def test_no_rows(library):
    _, scale, mean = quantize(library, operand((1, 2, 0, 64), torch.float16))
    assert (scale == 1).all() and (mean == 0).all()


def test_quantiser_refuses(library):
    v = operand((1, 1, 100, 64), torch.float16)
    with pytest.raises(Failure, match="padded_rows is 120"):
        quantize(library, v, padded_rows=120)
    with pytest.raises(Failure, match="padded_rows is 64"):
        quantize(library, v, padded_rows=64)
    with pytest.raises(Failure, match="scale_max is 449"):
        quantize(library, v, scale_max=449.0)
    assert library._library.sageattn_value_workspace(1, 1, 1, 257) == -1


def attend(library, q, k, v, causal=0, kind="fp8", smooth=True, change=None):
    """(output, lse) by a kind that takes no mask; change alters the params before the call."""
    if not library.has(kind, q.shape[3]):
        pytest.skip(f"no kernels of kind {kind} for this GPU")
    kind = KINDS[kind]
    batch, heads, rows, dim = q.shape
    keys = k.shape[2]
    key_mean = library.mean(k)
    k8, k_scale, _ = library.quantize(k, abi.KEY, 3, key_mean)
    q8, q_scale, dot = library.quantize(q, abi.QUERY, 3, key_mean, want_dot=True)
    v8, scale, mean = quantize(library, v, kind.scale_max, smooth) if kind.e4m3 else (v, None, None)
    output = torch.full_like(q, float("nan"))
    lse = torch.full(q.shape[:3], float("nan"), device="cuda")
    params = abi.AttentionParams(
        size=ctypes.sizeof(abi.AttentionParams), query=view(q8), key=view(k8), value=view(v8), output=view(output),
        query_scale=q_scale.data_ptr(), key_scale=k_scale.data_ptr(), mean_dot=dot.data_ptr(), lse=lse.data_ptr(),
        value_scale=None if scale is None else scale.data_ptr(), value_mean=None if mean is None else mean.data_ptr(),
        batch=batch, query_heads=heads, key_heads=k.shape[1], query_rows=rows, key_rows=keys, head_dim=dim,
        sm_scale=dim**-0.5, causal=causal, granularity=3, kind=kind.number,
        value_dtype=abi.FLOAT8_E4M3 if kind.e4m3 else dtype(v), output_dtype=dtype(output),
    )  # fmt: skip
    if change is not None:
        change(params)
    library.call("sageattn_attention", ctypes.byref(params), 0, stream())
    return output, lse


def operands(shape, dtype, value_mean=0.0):
    batch, query_heads, key_heads, rows, keys, dim = shape
    q = operand((batch, query_heads, rows, dim), dtype, seed=1)
    k = operand((batch, key_heads, keys, dim), dtype, seed=2)
    v = operand((batch, key_heads, keys, dim), dtype, seed=3)
    return q, k, v + value_mean


SHAPES = [(1, 4, 4, 1, 1), (2, 4, 2, 77, 77), (1, 8, 2, 130, 1000), (1, 4, 4, 1000, 77), (1, 4, 4, 4096, 4096)]


@pytest.mark.parametrize("kind", E4M3_KINDS)
@pytest.mark.parametrize("smooth", [False, True], ids=["plain", "smooth"])
@pytest.mark.parametrize("causal", [0, 1, 2], ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 80, 96, 128, 192, 256])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_accuracy(library, shape, dim, causal, smooth, kind):
    q, k, v = operands((*shape, dim), torch.bfloat16)
    output, lse = attend(library, q, k, v, causal, kind, smooth=smooth)
    rows, keys = shape[3:]
    shift = keys - rows if causal == 2 else 0
    visible = torch.ones(rows, keys, dtype=torch.bool, device="cuda")
    visible = visible.tril(shift) if causal else visible
    group = shape[1] // shape[2]
    k, v = (x.double().repeat_interleave(group, 1) for x in (k, v))
    scores = (q.double() @ k.mT * dim**-0.5).masked_fill(~visible, float("-inf"))
    exact = scores.softmax(-1).nan_to_num(0.0) @ v
    cosine, relative = reference.errors(output, exact)
    some = visible.any(-1)
    assert (output[:, :, ~some] == 0).all() and (lse[:, :, ~some] == float("-inf")).all()
    # The sums are of probabilities as rounded to E4M3: up to 1/16 off where a row sees few keys.
    assert (lse.double() - scores.logsumexp(-1))[:, :, some].abs().max() < 0.1
    large = keys == 4096 and dim == 128
    assert cosine > (0.999 if large else 0.998) and relative < (0.04 if large else 0.05), (cosine, relative)


@pytest.mark.parametrize("kind", E4M3_KINDS)
@pytest.mark.parametrize("dim", [64, 128])
def test_values_with_a_mean(library, dim, kind):
    """E4M3 keeps 4 bits: without smoothing every output would be off by the same rounding."""
    q, k, v = operands((1, 4, 2, 1000, 4096, dim), torch.bfloat16, value_mean=1.0)
    output, _ = attend(library, q, k, v, kind=kind)
    exact, _ = reference.attention(q, k, v, False, dim**-0.5)
    assert abs(output.double().mean() / exact.mean() - 1) < 1e-3
    assert reference.errors(output, exact)[1] < 0.01


@pytest.mark.parametrize("kind", ["fp16_accum_f16", *E4M3_KINDS])
@pytest.mark.parametrize("dim", [64, 128])
def test_sums_of_tiles_do_not_overflow(library, dim, kind):
    """The largest float16 values in every row, and all probabilities the same: the worst case of a float16 sum."""
    q = torch.zeros(1, 2, 100, dim, dtype=torch.bfloat16, device="cuda")  # and so the output, which may round up
    k = operand((1, 2, 300, dim), torch.bfloat16)
    v = torch.full((1, 2, 300, dim), 65504.0, dtype=torch.float16, device="cuda")
    output, _ = attend(library, q, k, v, kind=kind, smooth=False)
    assert output.isfinite().all() and (output / 65504.0 - 1).abs().max() < 1e-2


@pytest.mark.parametrize("dim", [64, 128])
def test_accum_f16_of_16_bit_values(library, dim):
    q, k, v = operands((1, 4, 2, 1000, 4096, dim), torch.float16)
    output, _ = attend(library, q, k, v, 1, "fp16_accum_f16")
    exact, _ = reference.attention(q, k, v, True, dim**-0.5)
    cosine, relative = reference.errors(output, exact)
    assert cosine > 0.999 and relative < 0.02, (cosine, relative)


def test_attention_refuses(library):
    q, k, v = operands((1, 2, 2, 64, 64, 64), torch.float16)

    def with_field(name, value):
        return lambda params: setattr(params, name, value)

    for name, value in (("kind", 99), ("kind", -1), ("value_dtype", 9), ("value_scale", None)):
        with pytest.raises(Failure, match=name):
            attend(library, q, k, v, change=with_field(name, value))
    starts = torch.zeros(2, dtype=torch.int32, device="cuda")

    def with_starts(params):
        params.query_starts = params.key_starts = starts.data_ptr()
        params.total_query_rows = params.total_key_rows = 64

    with pytest.raises(Failure, match="starts"):
        attend(library, q, k, v, change=with_starts)

    def with_mask(params):
        params.mask, params.mask_column_stride = params.query, 1

    with pytest.raises(Failure, match="mask"):
        attend(library, q, k, v, change=with_mask)


def test_two_runs_give_the_same_bits(library):
    q, k, v = operands((1, 4, 2, 500, 2000, 128), torch.bfloat16)
    first = attend(library, q, k, v, 1)
    again = attend(library, q, k, v, 1)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
