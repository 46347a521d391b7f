"""The FP4 path against the same arithmetic in float64, and against exact attention. On SM 12.0 and 12.1 with the
wheel's kernels; on other GPUs with kernels that SAGEATTN_EMULATE_FP4 compiled for them.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_fp4.py
"""

import ctypes
import os

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

import fp4_call
import fp4_reference as reference
from library import Library, abi

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class TorchArrays:
    """See fp4_call."""

    x = torch

    @staticmethod
    def store(values, dtype):
        return values.to("cuda", DTYPES[dtype])

    @staticmethod
    def floats(array):
        return array.float()

    @staticmethod
    def double(array):
        return array.double()

    @staticmethod
    def like(array):
        return array.cuda()

    @staticmethod
    def address(array):
        return array.data_ptr()

    @staticmethod
    def strides(array):
        return array.stride()

    @staticmethod
    def filled(count):
        return torch.full((count,), 255, dtype=torch.uint8, device="cuda")

    @staticmethod
    def view(array, dtype):
        return array.view(getattr(torch, dtype))

    @staticmethod
    def stream():
        return torch.cuda.current_stream().cuda_stream


ARRAYS = TorchArrays()


@pytest.fixture(scope="session")
def interface():
    library = Library()
    if not any(image.operation == b"attention_fp4" for image in library.images()):
        pytest.skip("the fatbin has no FP4 kernels")
    if not library.has("fp4", 128):
        pytest.skip("the fatbin's FP4 kernels are for other GPUs")
    return library._library, abi


def operands(shape, dim, dtype="bfloat16", offset=2.0, scales=(1.0, 1.0, 1.0), channels=1.0):
    """Random q, k, v of (batch, query heads, key heads, query rows, key rows), whose channels have means.

    channels: a factor of three channels of queries and keys.
    """
    batch, query_heads, key_heads, query_rows, key_rows = shape
    generator = torch.Generator("cuda").manual_seed(sum(shape) + dim)

    def normal(*size):
        return torch.randn(size, generator=generator, device="cuda")

    q, k, v = (
        (normal(batch, heads, rows, dim) + offset * normal(batch, heads, 1, dim)) * scale
        for heads, rows, scale in zip((query_heads, key_heads, key_heads), (query_rows, key_rows, key_rows), scales)
    )
    large = torch.randint(0, dim, (3,), generator=generator, device="cuda")
    q[..., large] *= channels
    k[..., large] *= channels
    return [ARRAYS.store(x, dtype) for x in (q, k, v)]


def check(found, same=2e-3, cosine=0.97, worst_lse=0.3):
    print(" ".join(f"{name} {value:.5g}" for name, value in found.items()))
    assert found["codes"] <= 1e-3 and found["means"] < 1e-5
    assert found["same"] <= same and found["lse"] <= 1e-3 and found["worst_lse"] < worst_lse
    assert found["cosine"] >= cosine


def run(interface, inputs, **options):
    return fp4_call.Call(ARRAYS, *inputs, **options).run(*interface)


LENGTHS = [
    (1, 1), (1, 513), (2, 3), (17, 1), (31, 33), (64, 64), (65, 127), (100, 200), (127, 129), (128, 128), (129, 65),
    (191, 193), (200, 300), (255, 257), (300, 100),
]  # fmt: skip


@pytest.mark.parametrize("causal", [None, "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("lengths", LENGTHS, ids=lambda lengths: "x".join(map(str, lengths)))
def test_lengths(interface, lengths, dim, causal):
    found = run(interface, operands((2, 4, 2, *lengths), dim), causal=causal).measure()
    check(found, cosine=0.9)  # few keys: a single probability counts


CASES = {
    "normal": ((1, 4, 4, 1024, 1024), 128, {}),
    "64 columns": ((1, 4, 4, 1024, 1024), 64, {}),
    "groups of heads": ((2, 8, 2, 1000, 1500), 128, {}),
    "mean of values": ((1, 2, 2, 1024, 1024), 128, {"smooth_v": True}),
    "one mean": ((1, 2, 2, 1024, 1300), 128, {"per_block_mean": False}),
    "one mean, 64 columns": ((1, 2, 2, 1100, 1300), 64, {"per_block_mean": False, "causal": "bottom-right"}),
    "causal": ((1, 4, 2, 4096, 4096), 128, {"causal": "bottom-right"}),
    "causal, more keys": ((1, 2, 2, 700, 1300), 64, {"causal": "bottom-right"}),
    "causal, more queries": ((1, 2, 2, 1300, 700), 128, {"causal": "bottom-right"}),
    "head dim 72": ((1, 2, 2, 600, 700), 72, {}),
    "head dim 40": ((1, 2, 2, 600, 700), 40, {"smooth_v": True}),
    "head dim 1": ((1, 2, 2, 60, 70), 1, {}),
    "several units": ((1, 2, 1, 13000, 700), 128, {"causal": "bottom-right"}),
    "long": ((1, 1, 1, 8192, 8192), 128, {}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_same_arithmetic(interface, case, dtype):
    shape, dim, options = CASES[case]
    found = run(interface, operands(shape, dim, dtype), dtype=dtype, **options).measure()
    check(found, same=2e-3 if dtype == "bfloat16" else 5e-4, cosine=0.9)


def test_accuracy_on_normal_inputs(interface):
    """At least that of the prototype; SageAttention3 has a cosine of .9817 and a relative L1 of .191 here."""
    found = run(interface, operands((1, 4, 4, 2048, 2048), 128, offset=0.0)).measure()
    check(found, cosine=0.984, worst_lse=0.02)
    assert found["l1"] <= 0.180


def test_accuracy_where_channels_have_means(interface):
    call = run(interface, operands((1, 4, 4, 2048, 2048), 128, offset=2.0), smooth_v=True)
    found = call.measure()
    check(found, cosine=0.999, worst_lse=0.02)
    assert found["l1"] <= 0.033
    exact = torch.stack([call.exact(head) for head in range(4)]).mean(1)
    error = (call.output[0].double().mean(1) - exact).norm() / exact.norm()
    assert error <= 0.01


def test_accuracy_with_large_channels(interface):
    check(run(interface, operands((1, 4, 4, 2048, 2048), 128, channels=4.0)).measure(), cosine=0.95)


@pytest.mark.parametrize("scales", [(1, 1, 1e-4), (1, 1, 1e4), (1e-3, 1, 1), (1e3, 1, 1), (1, 1e-3, 1), (1, 1e3, 1)])
def test_ranges(interface, scales):
    """Heads of any magnitude have the errors of others, within 5 %."""
    shape = (1, 2, 2, 1024, 1024)
    plain = run(interface, operands(shape, 128, offset=0.0)).measure()
    sm_scale = 128**-0.5 / (scales[0] * scales[1])
    found = run(interface, operands(shape, 128, offset=0.0, scales=scales), sm_scale=sm_scale).measure()
    check(found, cosine=0.98)
    assert found["l1"] <= 1.05 * plain["l1"]


@pytest.mark.parametrize("causal", [None, "bottom-right"])
def test_bias(interface, causal):
    """A number for every key of every query head; -infinity hides a key."""
    inputs = operands((2, 4, 2, 500, 700), 128)
    bias = torch.randn(2, 4, 700, device="cuda")
    bias[:, :, 100:333] = float("-inf")
    check(run(interface, inputs, bias=bias, causal=causal).measure(), cosine=0.9)
    padding = torch.zeros(1, 1, 700, device="cuda").expand(2, 4, 700).clone()
    padding[1, :, 600:] = float("-inf")
    check(run(interface, inputs, bias=padding[:, :1].expand(2, 4, 700), causal=causal).measure(), cosine=0.9)


def test_nothing_to_see(interface):
    q, k, v = operands((1, 2, 2, 40, 50), 64)
    for call in (
        run(interface, (q, k, v), bias=torch.full((1, 2, 50), float("-inf"), device="cuda")),
        run(interface, (q, k[:, :, :0], v[:, :, :0])),
    ):
        assert (call.output == 0).all() and torch.isneginf(call.lse).all()


def strided(array, gap):
    """[batch, rows, heads, head dim + gap] seen as [batch, heads, rows, head dim], NaN in between."""
    batch, heads, rows, dim = array.shape
    storage = torch.full((batch, rows, heads, dim + gap), float("nan"), dtype=array.dtype, device="cuda")
    return storage[..., :dim].transpose(1, 2).copy_(array)


@pytest.mark.parametrize("gap", [0, 8, 3])
def test_layouts(interface, gap):
    inputs = operands((2, 4, 2, 300, 500), 128)
    plain = run(interface, inputs)
    call = run(interface, [strided(x, gap) for x in inputs], output=strided(torch.zeros_like(inputs[0]), gap))
    assert torch.equal(call.output, plain.output) and torch.equal(call.lse, plain.lse)
    behind = call.output._base if call.output._base is not None else call.output
    assert gap == 0 or torch.isnan(behind[..., 128:]).all()


def test_repeatable_and_inputs_unchanged(interface):
    inputs = operands((2, 4, 2, 700, 900), 128)
    before = [x.clone() for x in inputs]
    first, second = (run(interface, inputs, causal="bottom-right") for _ in range(2))
    assert torch.equal(first.output, second.output) and torch.equal(first.lse, second.lse)
    assert all(torch.equal(x, y) for x, y in zip(inputs, before))


@pytest.mark.parametrize("role", fp4_call.ROLES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_numbers_stay_where_they_are(interface, role, bad):
    """One in a query spoils its row, in a value its channel, in a key everything, as in exact attention."""
    inputs = dict(zip(fp4_call.ROLES, operands((1, 1, 1, 200, 300), 64)))
    inputs[role][0, 0, 33, 5] = bad
    spoilt = torch.isnan(run(interface, inputs.values()).output[0, 0])
    expected = torch.zeros_like(spoilt)
    expected[{"query": (33,), "key": (), "value": (slice(None), 5)}[role]] = True
    assert torch.equal(spoilt, expected)


def test_graph_on_another_stream(interface):
    """A capture takes the call; replays read what the inputs then hold."""
    inputs = operands((1, 2, 2, 300, 400), 64)
    call = run(interface, inputs)
    wanted = call.output.clone()
    library, _ = interface
    params = call.params(abi)
    params.workspace, params.workspace_size = call.workspace.data_ptr(), call.size
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.graph(graph, stream=stream):
        assert library.sageattn_fp4_attention(ctypes.byref(params), 0, stream.cuda_stream) == 0
    call.output.zero_()
    call.workspace.fill_(255)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(call.output, wanted)


def test_product_with_each_selector(interface):
    """Lanes that a selector does not name hold other scales, which must not count."""
    generator = torch.Generator().manual_seed(3)
    words = torch.randint(-(2**31), 2**31, (32, 8), generator=generator, dtype=torch.int64)
    scales = torch.randint(0x20, 0x50, (32, 2, 4), generator=generator, dtype=torch.uint8).view(torch.int32)
    words[:, 6:] = scales.reshape(32, 2)
    operand = words.to(torch.int32).cuda()
    sums = torch.full((8, 32, 4), float("nan"), device="cuda")
    assert interface[0].sageattn_fp4_product(operand.data_ptr(), sums.data_ptr(), 0, ARRAYS.stream()) == 0
    for selector in range(8):
        unsigned = (operand.long().cpu() & 0xFFFFFFFF).tolist()
        expected = torch.tensor(reference.product(unsigned, selector // 4, selector % 4), dtype=torch.float64)
        assert (sums[selector].cpu().double() - expected).abs().max() <= 1e-5 * expected.abs().max()
