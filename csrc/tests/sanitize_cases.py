"""Small calls of every kernel without PyTorch, for compute-sanitizer, which then starts in a second and sees nothing
but these kernels. Each operand is an allocation of its own: the first byte outside of it is an error.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin compute-sanitizer python3 csrc/tests/sanitize_cases.py
"""

import array
import ctypes
import itertools
import math
import os
import pathlib
import random
import runpy
from types import SimpleNamespace

_PACKAGE = pathlib.Path(__file__).parents[2] / "python" / "sageattention"
abi = SimpleNamespace(**runpy.run_path(str(_PACKAGE / "_abi.py")))
KINDS = runpy.run_path(str(_PACKAGE / "_kinds.py"))["KINDS"]


class Driver:
    """Memory of device 0, by the driver's interface."""

    def __init__(self):
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self._allocations = []
        context, device = ctypes.c_void_p(), ctypes.c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)

    def allocate(self, size):
        """Address of size bytes that nobody has written."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        self._allocations.append(address)
        return address.value

    def upload(self, data):
        """Address of a copy of data."""
        address = self.allocate(len(data))
        self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), data, ctypes.c_size_t(len(data)))
        return address

    def download(self, address, size):
        """The bytes at an address, once all launches are done."""
        data = ctypes.create_string_buffer(size)
        self._call("cuCtxSynchronize")
        self._call("cuMemcpyDtoH_v2", data, ctypes.c_uint64(address), ctypes.c_size_t(size))
        return data.raw

    def free_all(self):
        while self._allocations:
            self._call("cuMemFree_v2", self._allocations.pop())

    def _call(self, name, *arguments):
        status = getattr(self._cuda, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} gave {status}")


class Case:
    """One attention call with its quantisation."""

    BATCH, HEADS, KEY_HEADS = 2, 4, 2

    def __init__(
        self, rows, keys, dim, causal, dtype, nhd, gap, granularity, kind="fp16", sequences=False
    ):  # fmt: skip
        self.rows, self.keys, self.dim, self.causal, self.dtype = rows, keys, dim, causal, dtype
        self.nhd, self.gap, self.granularity, self.sequences = nhd, gap, granularity, sequences
        self.kind = KINDS[kind]

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in vars(self).items())

    def view(self, heads, rows, place):
        """A view whose rows are gap elements apart; place(elements) gives the address of its storage."""
        row = self.dim + self.gap
        address = place(self.BATCH * heads * rows * row - self.gap)
        if self.sequences:
            rows *= self.BATCH
        strides = (row, heads * row) if self.nhd else (rows * row, row)
        return abi.Tensor(data=address, batch_stride=heads * rows * row, head_stride=strides[0], row_stride=strides[1])

    def starts(self, rows):
        """Of two sequences of different lengths, which have the rows of two batches."""
        return [0, rows // 3, self.BATCH * rows] if self.sequences else None

    def longest(self, rows):
        return self.BATCH * rows - rows // 3 if self.sequences else rows

    def padded(self):
        """Keys of E4M3 values."""
        return -(-self.keys // 64) * 64

    def e4m3_view(self, address):
        """E4M3 values: channels are rows of keys."""
        padded, heads = self.padded(), self.KEY_HEADS
        strides = (padded, heads * padded) if self.nhd else (self.dim * padded, padded)
        batch = heads * self.dim * padded
        return abi.Tensor(data=address, batch_stride=batch, head_stride=strides[0], row_stride=strides[1])

    def scales(self, operand, rows):
        """Scales of all heads' batches."""
        block, finest = (128, 32) if operand == abi.QUERY else (64, 4)
        each = {1: 1, 2: max(finest // 8, 1), 3: finest}[self.granularity]
        blocks = -(-rows // block) * self.BATCH
        if self.sequences:
            blocks = self.BATCH * rows // block + self.BATCH
        return blocks * each


class Session:
    """The library and the memory that its calls use."""

    def __init__(self):
        self.driver = Driver()
        self.random = random.Random(0)
        self.library = ctypes.CDLL(os.environ["SAGEATTN_LIBRARY"])
        for name, (result, arguments) in abi.FUNCTIONS.items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments
        self.call("sageattn_load", os.environ["SAGEATTN_FATBIN"].encode())

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments):
            raise RuntimeError(f"{name}: {self.library.sageattn_last_error().decode()}")

    def numbers(self, elements):
        """Random 16-bit numbers between -2 and 2, whether they are read as float16 or as bfloat16."""
        bits = int.from_bytes(self.random.randbytes(2 * elements), "little")
        mask = int.from_bytes(b"\xff\xbf" * elements, "little")
        return self.driver.upload((bits & mask).to_bytes(2 * elements, "little"))

    def starts(self, case, rows):
        starts = case.starts(rows)
        return starts and self.driver.upload(array.array("i", starts).tobytes())

    def mask(self, case):
        """(view, column stride, dtype). Of random pairs the second tile is hidden, the third seen, key 0 never hidden;
        floats are 0 or -infinity."""
        if not case.kind.mask:
            return abi.Tensor(), 0, 0
        rows, keys = case.longest(case.rows), case.longest(case.keys)
        tiles = bytes(self.random.choices((0, 1), k=63)) + bytes(64) + b"\1" * 64
        row = (b"\1" + tiles + bytes(self.random.choices((0, 1), k=keys)))[:keys]
        dtype = abi.BOOL
        if case.kind.name == "fp16_biased":
            row, dtype = b"".join(b"\0\0" if seen else b"\0\xfc" for seen in row), abi.FLOAT16
        address = self.driver.upload(row * (case.BATCH * case.HEADS * rows))
        return abi.Tensor(address, case.HEADS * rows * keys, rows * keys, keys), 1, dtype

    def mean(self, case, view):
        address = self.driver.allocate(4 * case.BATCH * case.KEY_HEADS * case.dim)
        params = abi.MeanParams(
            size=ctypes.sizeof(abi.MeanParams), input=view, mean=address, batch=case.BATCH, heads=case.KEY_HEADS,
            starts=self.starts(case, case.keys), rows=case.longest(case.keys), head_dim=case.dim, dtype=case.dtype,
        )  # fmt: skip
        self.call("sageattn_mean", ctypes.byref(params), 0, None)
        return address

    def quantize(self, case, view, operand, heads, rows, mean):
        """Quantised view, scales, and the queries' products with the mean (keys: None)."""
        scale = self.driver.allocate(4 * heads * case.scales(operand, rows))
        dot = self.driver.allocate(4 * case.BATCH * heads * rows) if operand == abi.QUERY else None
        output = case.view(heads, rows, self.driver.allocate)
        params = abi.QuantizeParams(
            size=ctypes.sizeof(abi.QuantizeParams), input=view, output=output, scale=scale, mean=mean, mean_dot=dot,
            batch=case.BATCH, heads=heads, key_heads=case.KEY_HEADS, starts=self.starts(case, rows),
            rows=case.longest(rows), total_rows=case.BATCH * rows, head_dim=case.dim, dtype=case.dtype,
            operand=operand, granularity=case.granularity,
        )  # fmt: skip
        self.call("sageattn_quantize", ctypes.byref(params), 0, None)
        return output, scale, dot

    def quantize_value(self, case, view):
        """E4M3 view, scales and means."""
        sizes = case.BATCH, case.KEY_HEADS, case.keys, case.dim
        output = case.e4m3_view(self.driver.allocate(case.BATCH * case.KEY_HEADS * case.dim * case.padded()))
        scale, mean = (self.driver.allocate(4 * case.BATCH * case.KEY_HEADS * case.dim) for _ in range(2))
        params = abi.QuantizeValueParams(
            size=ctypes.sizeof(abi.QuantizeValueParams), input=view, output=output, scale=scale, mean=mean,
            workspace=self.driver.allocate(4 * self.library.sageattn_value_workspace(*sizes)), batch=case.BATCH,
            heads=case.KEY_HEADS, rows=case.keys, padded_rows=case.padded(), head_dim=case.dim,
            scale_max=case.kind.scale_max, dtype=case.dtype, smooth=1,
        )  # fmt: skip
        self.call("sageattn_quantize_value", ctypes.byref(params), 0, None)
        return output, scale, mean

    def has(self, case):
        """Whether the fatbin has the kernel that a case is meant for. Those of the kind fp16 it must have."""
        found = ctypes.c_int32()
        self.call("sageattn_has", case.kind.number, case.dim, 0, ctypes.byref(found))
        return bool(found.value) or case.kind.name == "fp16"

    def attend(self, case):
        """Runs the case; fails unless every LSE is finite, which says that the kernels ran."""
        q = case.view(case.HEADS, case.rows, self.numbers)
        k, v = (case.view(case.KEY_HEADS, case.keys, self.numbers) for _ in range(2))
        mean = self.mean(case, k)
        key, key_scale, _ = self.quantize(case, k, abi.KEY, case.KEY_HEADS, case.keys, mean)
        query, query_scale, dot = self.quantize(case, q, abi.QUERY, case.HEADS, case.rows, mean)
        value_scale = value_mean = None
        if case.kind.e4m3:
            v, value_scale, value_mean = self.quantize_value(case, v)
        output = case.view(case.HEADS, case.rows, lambda elements: self.driver.allocate(2 * elements))
        size = 4 * case.BATCH * case.HEADS * case.rows
        lse = self.driver.upload(b"\xff" * size)  # NaN
        mask, mask_column_stride, mask_dtype = self.mask(case)
        params = abi.AttentionParams(
            size=ctypes.sizeof(abi.AttentionParams), query=query, key=key, value=v, output=output,
            query_scale=query_scale, key_scale=key_scale, mean_dot=dot, lse=lse, batch=case.BATCH,
            query_heads=case.HEADS, key_heads=case.KEY_HEADS, query_rows=case.longest(case.rows),
            key_rows=case.longest(case.keys), query_starts=self.starts(case, case.rows),
            key_starts=self.starts(case, case.keys), total_query_rows=case.BATCH * case.rows,
            total_key_rows=case.BATCH * case.keys, mask=mask, mask_column_stride=mask_column_stride,
            mask_dtype=mask_dtype, head_dim=case.dim, sm_scale=case.dim**-0.5, causal=case.causal,
            granularity=case.granularity, value_dtype=abi.FLOAT8_E4M3 if case.kind.e4m3 else case.dtype,
            output_dtype=case.dtype, value_scale=value_scale, value_mean=value_mean, kind=case.kind.number,
        )  # fmt: skip
        params.workspace_size = self.library.sageattn_attention_workspace(ctypes.byref(params))
        params.workspace = self.driver.allocate(params.workspace_size) if params.workspace_size else None
        self.call("sageattn_attention", ctypes.byref(params), 0, None)
        found = array.array("f", self.driver.download(lse, size))
        if not all(map(math.isfinite, found)):
            raise RuntimeError(f"the LSE is not finite: {case}")
        self.driver.free_all()


def grid():
    """Lengths around the block sizes, both layouts, aligned and odd rows, every granularity and kernel."""
    granularities = itertools.cycle((1, 2, 3))
    for dim, dtype in itertools.product((40, 64, 96, 128, 192, 256), (abi.FLOAT16, abi.BFLOAT16)):
        wide = 0 if dim % 16 else 16  # else the last 16 bytes of a row reach behind it: see sageattn_tensor
        for rows, keys, nhd, gap, causal in (
            (1, 1, 0, 0, 0), (77, 131, 0, wide, 2), (129, 65, 1, 0, 1), (100, 150, 1, 3, 0),
        ):  # fmt: skip
            yield Case(rows, keys, dim, causal, dtype, nhd, gap, next(granularities))
        for keys, causal in ((131, 1), (336, 0)):  # rows of the mask on any bytes; on multiples of 16
            for kind in ("fp16_masked", "fp16_biased"):
                yield Case(77, keys, dim, causal, dtype, 1, 0, next(granularities), kind)
        yield Case(90, 140, dim, 1, dtype, 0, 0, next(granularities), sequences=True)
    for kind in ("fp16_masked", "fp16_biased"):
        yield Case(90, 140, 64, 0, abi.FLOAT16, 1, 0, 3, kind, sequences=True)


def variants():
    """E4M3 values and sums in float16 within tiles, of which a fatbin may have the kernels or not."""
    granularities, dtypes = itertools.cycle((1, 2, 3)), itertools.cycle((abi.FLOAT16, abi.BFLOAT16))
    for dim, kind in itertools.product((40, 96, 128, 192, 256), ("fp8", "fp8_accum_f16", "fp16_accum_f16")):
        for rows, keys, nhd, causal in ((77, 131, 0, 2), (129, 65, 1, 1)):
            dtype = next(dtypes) if KINDS[kind].e4m3 else abi.FLOAT16  # which alone is summed in float16
            yield Case(rows, keys, dim, causal, dtype, nhd, 0, next(granularities), kind)


def main():
    session = Session()
    count = 0
    for case in filter(session.has, itertools.chain(grid(), variants())):
        session.attend(case)
        count += 1
    print(f"{count} calls")


if __name__ == "__main__":
    main()
