"""The FP4 kernels on the CPU, from their own sources and through the C interface, against the same arithmetic in NumPy:
cpu/driver.cpp is the CUDA driver. What it leaves to hardware, docs/blackwell.md lists."""

import ctypes
import os
import platform
import runpy
import subprocess
import sys
import types

import pytest

np = pytest.importorskip("numpy")

import fp4_call
import fp4_reference as reference
from test_interface import FATBIN, HERE, HOST, ROOT, build_library, container, image

if sys.platform != "linux" or platform.machine() != "x86_64":
    pytest.skip("the driver is built for Linux on x86-64", allow_module_level=True)

SPECIFIC = 0x100000  # the flag of an image whose target has the suffix "a"


class NumpyArrays:
    """See fp4_call."""

    x = np

    @staticmethod
    def store(values, dtype):
        values = np.ascontiguousarray(values, np.float32)
        if dtype == "float16":
            return values.astype(np.float16)
        bits = values.view(np.uint32)
        rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
        return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)

    @staticmethod
    def floats(array):
        if array.dtype == np.float16:
            return array.astype(np.float32)
        return (array.astype(np.uint32) << 16).view(np.float32)

    @staticmethod
    def double(array):
        return array.astype(np.float64)

    @staticmethod
    def like(array):
        return array

    @staticmethod
    def address(array):
        return array.ctypes.data

    @staticmethod
    def strides(array):
        return tuple(stride // array.itemsize for stride in array.strides)

    @staticmethod
    def filled(count):
        return np.full(count, 255, np.uint8)

    @staticmethod
    def view(array, dtype):
        return array.view(dtype)

    @staticmethod
    def stream():
        return None


ARRAYS = NumpyArrays()


@pytest.fixture(scope="session")
def interface(tmp_path_factory):
    """The library, loaded where its driver is that of cpu/, and its structs."""
    folder = tmp_path_factory.mktemp("fp4")
    build_library("x86_64-linux-gnu.2.17", folder / "libsageattn.so")
    build_driver(folder / "libcuda.so.1")
    images = [container(image(name, 2, 120, SPECIFIC)) for name in (b"quantize_fp4_sm120", b"attention_fp4_sm120")]
    (folder / FATBIN).write_bytes(b"".join(images))
    abi = types.SimpleNamespace(**runpy.run_path(str(ROOT / "python" / "sageattention" / "_abi.py")))
    library = load_apart(folder / "libcuda.so.1", folder / "libsageattn.so")
    for name, (result, arguments) in abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    assert library.sageattn_load(os.fsencode(folder / FATBIN)) == abi.OK
    return library, abi


def build_driver(output):
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", "-std=c++17", "-O2", "-g0"]
    command += ["-ffp-contract=off", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    command += [f"-I{HERE / 'cpu'}", f"-I{HOST.parent / 'device'}", "-Wl,-soname,libcuda.so.1", "-o", output]
    subprocess.run([*command, HERE / "cpu" / "driver.cpp"], check=True)


def load_apart(driver, library):
    """The library in a namespace of its own (dlmopen(3)), where it finds the driver by its name. Others of this process
    do not find it: NVRTC asks any libcuda.so.1 for what this one lacks."""
    process = ctypes.CDLL(None)
    process.dlmopen.restype, process.dlmopen.argtypes = ctypes.c_void_p, (ctypes.c_long, ctypes.c_char_p, ctypes.c_int)
    process.dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    process.dlerror.restype = ctypes.c_char_p
    space = ctypes.c_long(-1)  # LM_ID_NEWLM
    for path in (driver, library):
        handle = process.dlmopen(space, os.fsencode(path), os.RTLD_NOW)
        assert handle and process.dlinfo(handle, 1, ctypes.byref(space)) == 0, process.dlerror()  # RTLD_DI_LMID
    return ctypes.CDLL(str(library), handle=handle)


def test_other_libraries_do_not_find_the_driver(interface):
    code = "import ctypes; ctypes.CDLL('libcuda.so.1')"
    has_one = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
    try:
        found = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    name = ctypes.create_string_buffer(8)
    found.cuInit(0)
    assert has_one and (found.cuDeviceGetName(name, 8, 0) != 0 or name.value != b"CPU")


def operands(shape, dim, dtype="bfloat16", offset=2.0, scales=(1.0, 1.0, 1.0)):
    """Random q, k, v of (batch, query heads, key heads, query rows, key rows), whose channels have means."""
    batch, query_heads, key_heads, query_rows, key_rows = shape
    generator = np.random.default_rng(sum(shape) + dim)
    arrays = []
    for heads, rows, scale in zip((query_heads, key_heads, key_heads), (query_rows, key_rows, key_rows), scales):
        values = generator.standard_normal((batch, heads, rows, dim))
        values += offset * generator.standard_normal((batch, heads, 1, dim))
        arrays.append(ARRAYS.store(values * scale, dtype))
    return arrays


def check(found, same=2e-3):
    assert found["codes"] == 0 and found["means"] < 1e-6
    assert found["same"] < same and found["lse"] < 1e-3
    assert found["cosine"] > 0.97


CASES = {
    "128 columns": ((1, 1, 1, 128, 128), 128, {}),
    "64 columns": ((1, 1, 1, 128, 128), 64, {}),
    "groups of heads": ((1, 2, 1, 100, 200), 128, {}),
    "batches, mean of values": ((2, 1, 1, 130, 70), 64, {"smooth_v": True}),
    "causal": ((1, 1, 1, 200, 200), 128, {"causal": "bottom-right"}),
    "causal, rows without keys": ((1, 1, 1, 150, 90), 64, {"causal": "bottom-right"}),
    "causal, more keys": ((1, 1, 1, 70, 300), 64, {"causal": "bottom-right"}),
    "causal, top left": ((1, 1, 1, 200, 133), 64, {"causal": "top-left"}),
    "one mean": ((1, 1, 1, 290, 257), 64, {"per_block_mean": False}),
    "odd head dim": ((1, 1, 1, 40, 45), 72, {}),
    "head dim 7": ((1, 1, 1, 33, 17), 7, {}),
    "one row": ((1, 1, 1, 1, 65), 128, {}),
    "one key": ((1, 1, 1, 20, 1), 64, {}),
    "float16": ((1, 1, 1, 64, 90), 64, {"dtype": "float16"}),
}


@pytest.mark.parametrize("case", CASES)
def test_same_arithmetic(interface, case):
    shape, dim, options = CASES[case]
    q, k, v = operands(shape, dim, options.get("dtype", "bfloat16"))
    before = [x.copy() for x in (q, k, v)]
    found = fp4_call.Call(ARRAYS, q, k, v, **options).run(*interface).measure()
    assert all(map(np.array_equal, before, (q, k, v)))  # inputs are never written
    check(found, same=5e-4 if options.get("dtype") == "float16" else 2e-3)


@pytest.mark.parametrize("scales", [(1e-3, 1e-3, 1e-4), (1e3, 1e3, 1e4)], ids=["small", "large"])
def test_ranges(interface, scales):
    """Heads of any magnitude have the errors of others: a power of two brings them into range."""
    q, k, v = operands((1, 1, 1, 64, 128), 64, scales=scales, offset=0.5)
    check(fp4_call.Call(ARRAYS, q, k, v, sm_scale=0.125 / (scales[0] * scales[1])).run(*interface).measure())


def test_bias(interface):
    """A number for every key of every query head; -infinity hides a key."""
    q, k, v = operands((2, 2, 1, 60, 150), 64)
    bias = np.random.default_rng(5).standard_normal((2, 2, 150)).astype(np.float32)
    bias[:, :, 40:90] = -np.inf
    check(fp4_call.Call(ARRAYS, q, k, v, bias=bias).run(*interface).measure())


def test_all_keys_hidden(interface):
    q, k, v = operands((1, 1, 1, 20, 30), 64)
    call = fp4_call.Call(ARRAYS, q, k, v, bias=np.full((1, 1, 30), -np.inf, np.float32)).run(*interface)
    assert (ARRAYS.floats(call.output) == 0).all() and np.isneginf(call.lse).all()


def test_no_key(interface):
    q, k, v = operands((1, 1, 1, 20, 0), 64)
    call = fp4_call.Call(ARRAYS, q, k, v).run(*interface)
    assert (ARRAYS.floats(call.output) == 0).all() and np.isneginf(call.lse).all()


def test_layouts(interface):
    """[batch, rows, heads, head dim] behind strides that are no multiple of 16 bytes, with NaN in between."""
    q, k, v = operands((1, 2, 2, 50, 70), 64)

    def strided(array):
        batch, heads, rows, dim = array.shape
        storage = np.full((batch, rows, heads, dim + 3), 0x7FC0, np.uint16)
        view = storage[..., :dim].swapaxes(1, 2)
        view[...] = array
        return view

    plain = fp4_call.Call(ARRAYS, q, k, v).run(*interface)
    call = fp4_call.Call(ARRAYS, strided(q), strided(k), strided(v), output=strided(q)).run(*interface)
    assert (call.output == plain.output).all() and (call.lse == plain.lse).all()


@pytest.mark.parametrize("role", ["query", "key", "value"])
@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "infinity"])
def test_bad_numbers_stay_where_they_are(interface, role, bad):
    """One in a query spoils its row, in a value its channel, in a key everything, as in exact attention."""
    inputs = dict(zip(fp4_call.ROLES, operands((1, 1, 1, 20, 30), 64)))
    floats = ARRAYS.floats(inputs[role])
    floats[0, 0, 3, 5] = bad
    inputs[role] = ARRAYS.store(floats, "bfloat16")
    call = fp4_call.Call(ARRAYS, inputs["query"], inputs["key"], inputs["value"]).run(*interface)
    spoilt = np.isnan(ARRAYS.floats(call.output))[0, 0]
    expected = np.zeros((20, 64), bool)
    expected[{"query": (3,), "key": (), "value": (slice(None), 5)}[role]] = True
    assert (spoilt == expected).all()


def test_units(interface):
    """A head with more rows than a unit."""
    q, k, v = operands((1, 1, 1, 49 * 128 + 5, 3), 64)
    call = fp4_call.Call(ARRAYS, q, k, v).run(*interface)
    check(call.measure())


def test_the_workspace_is_bounded(interface):
    """An image model's video: 56 heads of 73,774 rows. All of delta_S at once would be 9.5 GB."""
    library, abi = interface
    q, k, v = operands((1, 1, 1, 4, 4), 64)
    params = fp4_call.Call(ARRAYS, q, k, v).params(abi)
    params.query_heads = params.key_heads = 56
    params.query_rows = params.key_rows = rows = 73774
    params.head_dim = 128
    packed = 3 * 56 * -(-rows // 128) * 128 * 72
    size = library.sageattn_fp4_workspace(ctypes.byref(params))
    assert packed < size < packed + 56 * rows * 4 + (300 << 20)


def test_product_with_each_selector(interface):
    """Lanes that a selector does not name hold other scales, which must not count."""
    library, _ = interface
    words = np.random.default_rng(3).integers(0, 1 << 32, (32, 8), np.uint64).astype(np.uint32)
    words[:, 6:] = np.random.default_rng(4).integers(0x20, 0x50, (32, 8), np.uint8).view(np.uint32)
    sums = np.full((8, 32, 4), np.nan, np.float32)
    assert library.sageattn_fp4_product(words.ctypes.data, sums.ctypes.data, 0, None) == 0
    for selector in range(8):
        expected = np.array(reference.product(words, selector // 4, selector % 4))
        assert abs(sums[selector] - expected).max() <= 1e-5 * abs(expected).max()


def test_refusals(interface):
    library, abi = interface
    q, k, v = operands((1, 1, 1, 4, 4), 64)
    for change, text in (
        ({"head_dim": 129}, "head_dim is 129, it must be 1 to 128"),
        ({"query_heads": 3, "key_heads": 2}, "heads"),
        ({"per_block_mean": 2}, "per_block_mean is 2"),
        ({"smooth_v": -1}, "smooth_v is -1"),
        ({"causal": 3}, "causal is 3"),
        ({"dtype": 2}, "dtype is 2"),
        ({"output_dtype": 4}, "output_dtype is 4"),
        ({"sm_scale": 0.0}, "sm_scale"),
        ({"query_rows": (1 << 24) + 1}, "more than 16777216 rows"),
        ({"workspace": 128, "workspace_size": 12}, "the workspace has 12 bytes"),
        ({"workspace": 64}, "workspace"),
        ({"size": 8}, "params has 8 bytes"),
    ):
        params = fp4_call.Call(ARRAYS, q, k, v).params(abi)
        params.workspace, params.workspace_size = 128, 1 << 40
        for name, value in change.items():
            setattr(params, name, value)
        assert library.sageattn_fp4_attention(ctypes.byref(params), 0, None) == abi.INVALID_ARGUMENT
        assert text in library.sageattn_last_error().decode(), change


def test_records_are_permutations():
    for columns in (64, 128):
        for role in fp4_call.ROLES:
            codes, scales = (np.array(i) for i in reference.places(role, columns))
            assert len(np.unique(codes)) == codes.size == 128 * columns
            assert len(np.unique(scales)) == codes.size // 16
            used = set(np.unique(codes // 2)) | set(np.unique(scales))
            assert used == set(range(72 * columns))
