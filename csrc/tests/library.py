"""libsageattn as the GPU tests call it: ctypes and torch tensors, nothing of the sageattention package but its
mirror of the C structs and its table of kinds.

SAGEATTN_LIBRARY and SAGEATTN_FATBIN name what is tested.
"""

import ctypes
import importlib.util
import os
import pathlib

import torch

_PACKAGE = pathlib.Path(__file__).parents[2] / "python" / "sageattention"
GRANULARITIES = {"block": 1, "warp": 2, "thread": 3}
MASK_DTYPES = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.bool: 3}


def _load(name):
    spec = importlib.util.spec_from_file_location(f"sageattn{name}", _PACKAGE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


abi = _load("_abi")
KINDS = _load("_kinds").KINDS


class Failure(Exception):
    """A status other than OK: the status and the library's text."""

    def __init__(self, status, text):
        super().__init__(f"status {status}: {text}")
        self.status, self.text = status, text


class Library:
    """A loaded library with the fatbin of the environment."""

    def __init__(self, fatbin=None):
        self._library = ctypes.CDLL(os.environ["SAGEATTN_LIBRARY"])
        for name, (result, arguments) in abi.FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self.call("sageattn_load", (fatbin or os.environ["SAGEATTN_FATBIN"]).encode())

    def call(self, name, *arguments):
        status = getattr(self._library, name)(*arguments)
        if status:
            raise Failure(status, self._library.sageattn_last_error().decode())

    def scale_count(self, operand, granularity, rows):
        return self._library.sageattn_scale_count(operand, granularity, rows)

    def device(self):
        info = abi.DeviceInfo(size=ctypes.sizeof(abi.DeviceInfo))
        self.call("sageattn_device", 0, ctypes.byref(info))
        return info

    def images(self):
        """The loaded fatbin's images."""
        count = ctypes.c_int64()
        self.call("sageattn_images", None, 0, ctypes.byref(count))
        found = (abi.ImageInfo * count.value)()
        self.call("sageattn_images", found, count, ctypes.byref(count))
        return list(found)

    def has(self, kind, head_dim):
        """Whether the device has a kind, by name, for a head dim."""
        found = ctypes.c_int32()
        self.call("sageattn_has", KINDS[kind].number, head_dim, 0, ctypes.byref(found))
        return bool(found.value)

    def mean(self, x, starts=None, rows=None):
        """Mean over rows of a [B, H, S, D] view: float32 [B, H, D]. With starts, of [1, H, total rows, D]."""
        batch, heads, longest, dim = sizes(x, starts, rows)
        mean = torch.full((batch, heads, dim), float("nan"), device=x.device)
        params = abi.MeanParams(
            size=ctypes.sizeof(abi.MeanParams),
            input=view(x),
            mean=mean.data_ptr(),
            starts=pointer(starts),
            batch=batch,
            heads=heads,
            rows=longest,
            head_dim=dim,
            dtype=dtype(x),
        )
        self.call("sageattn_mean", ctypes.byref(params), 0, stream())
        return mean

    def quantize(
        self, x, operand, granularity, mean=None, want_dot=False, output=None, block=0, warp=0, starts=None, rows=None
    ):
        """int8 [B, H, S, D], float32 scales [B, H, count], and mean_dot [B, H, S] or None."""
        batch, heads, longest, dim = sizes(x, starts, rows)
        if output is None:  # rows of whole 16 bytes, with something behind each
            wide = torch.full((*x.shape[:3], -(-dim // 16) * 16), 99, dtype=torch.int8, device=x.device)
            output = wide[..., :dim]
        count = scale_count(operand, granularity, x.shape[2], block, warp, batch if starts is not None else None)
        scale = torch.full((x.shape[0], heads, count), float("nan"), device=x.device)
        dot = torch.full(x.shape[:3], float("nan"), device=x.device) if want_dot else None
        params = abi.QuantizeParams(
            size=ctypes.sizeof(abi.QuantizeParams),
            input=view(x),
            output=view(output),
            scale=scale.data_ptr(),
            mean=pointer(mean),
            mean_dot=pointer(dot),
            starts=pointer(starts),
            batch=batch,
            heads=heads,
            key_heads=heads if mean is None else mean.shape[1],
            rows=longest,
            total_rows=x.shape[2],
            head_dim=dim,
            dtype=dtype(x),
            operand=operand,
            granularity=granularity,
            block_rows=block,
            warp_rows=warp,
        )
        self.call("sageattn_quantize", ctypes.byref(params), 0, stream())
        return output, scale, dot

    def params(
        self, q8, k8, v, output, q_scale, k_scale, granularity, sm_scale, causal=False, dot=None, lse=None, mask=None,
        starts=(None, None), rows=(None, None), blocks=(0, 0, 0), kind=None,
    ):  # fmt: skip
        """Filled attention parameters. starts, rows: of queries and of keys; blocks: as in sageattn.h.

        kind: by default float16 values summed in float32, masked if there is a mask.
        """
        kind = kind or self.kind_of(mask)
        batch, heads, query_rows, dim = sizes(q8, starts[0], rows[0])
        params = abi.AttentionParams(
            size=ctypes.sizeof(abi.AttentionParams),
            query=view(q8),
            key=view(k8),
            value=view(v),
            output=view(output),
            query_scale=q_scale.data_ptr(),
            key_scale=k_scale.data_ptr(),
            mean_dot=pointer(dot),
            query_starts=pointer(starts[0]),
            key_starts=pointer(starts[1]),
            lse=pointer(lse),
            batch=batch,
            query_heads=heads,
            key_heads=k8.shape[1],
            query_rows=query_rows,
            key_rows=sizes(k8, starts[1], rows[1])[2],
            total_query_rows=q8.shape[2],
            total_key_rows=k8.shape[2],
            head_dim=dim,
            sm_scale=sm_scale,
            causal=int(causal),
            granularity=granularity,
            kind=KINDS[kind].number,
            value_dtype=dtype(v),
            output_dtype=dtype(output),
            query_block_rows=blocks[0],
            query_warp_rows=blocks[1],
            key_block_rows=blocks[2],
        )
        if mask is not None:
            params.mask, params.mask_column_stride = view(mask, checked=False), mask.stride(3)
            params.mask_dtype = MASK_DTYPES[mask.dtype]
            params.workspace_size = max(self._library.sageattn_attention_workspace(ctypes.byref(params)), 0)
            self._workspace = torch.randint(256, (params.workspace_size,), dtype=torch.uint8, device=q8.device)
            params.workspace = self._workspace.data_ptr()
        return params

    @staticmethod
    def kind_of(mask):
        """The kind of 16-bit values summed in float32 that takes a mask, or none."""
        return "fp16" if mask is None else "fp16_masked" if mask.dtype == torch.bool else "fp16_biased"

    def attend(self, *arguments, **named):
        """Attention of quantised operands into output (and lse), on torch's current stream."""
        params = self.params(*arguments, **named)
        self.call("sageattn_attention", ctypes.byref(params), 0, stream())

    def attention(
        self, q, k, v, granularity="thread", causal=False, smooth=True, output=None, sm_scale=None, mask=None,
        starts=(None, None), rows=(None, None), blocks=(0, 0, 0), kind=None,
    ):  # fmt: skip
        """The whole path for [B, H, S, D] views: (output, lse)."""
        number = GRANULARITIES[granularity]
        mean = self.mean(k, starts[1], rows[1]) if smooth else None
        k8, k_scale, _ = self.quantize(
            k, abi.KEY, number, mean, block=blocks[2], starts=starts[1], rows=rows[1]
        )
        q8, q_scale, dot = self.quantize(
            q, abi.QUERY, number, mean, want_dot=smooth, block=blocks[0], warp=blocks[1], starts=starts[0], rows=rows[0]
        )
        if output is None:
            output = torch.full_like(q, float("nan"))
        lse = torch.full(q.shape[:3], float("nan"), device=q.device)
        self.attend(
            q8, k8, v, output, q_scale, k_scale, number, sm_scale or q.shape[-1] ** -0.5, causal, dot, lse, mask=mask,
            starts=starts, rows=rows, blocks=blocks, kind=kind,
        )  # fmt: skip
        return output, lse


def sizes(x, starts, rows):
    """Batch, heads, rows and head dim; with starts, of the sequences, whose longest has `rows`."""
    if starts is None:
        return x.shape
    return starts.numel() - 1, x.shape[1], rows, x.shape[3]


def scale_count(operand, granularity, rows, block=0, warp=0, sequences=None):
    """Scales per head, by the rules of sageattn.h."""
    block = block or (128 if operand == abi.QUERY else 64)
    finest = block // (warp or 32) * 8 if operand == abi.QUERY else 4
    each = {1: 1, 2: finest // 8 if operand == abi.QUERY else 1, 3: finest}[granularity]
    blocks = -(-rows // block) if sequences is None else rows // block + sequences
    return blocks * each


def view(x, checked=True):
    assert not checked or x.stride(3) == 1 or x.shape[3] <= 1
    return abi.Tensor(data=x.data_ptr(), batch_stride=x.stride(0), head_stride=x.stride(1), row_stride=x.stride(2))


def dtype(x):
    return {torch.float16: abi.FLOAT16, torch.bfloat16: abi.BFLOAT16}[x.dtype]


def pointer(x):
    return None if x is None else x.data_ptr()


def stream():
    return torch.cuda.current_stream().cuda_stream
