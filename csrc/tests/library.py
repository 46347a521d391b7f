"""libsageattn as the GPU tests call it: ctypes and torch tensors, nothing of the sageattention package but its
mirror of the C structs.

SAGEATTN_LIBRARY and SAGEATTN_FATBIN name what is tested.
"""

import ctypes
import importlib.util
import os
import pathlib

import torch

_ABI_FILE = pathlib.Path(__file__).parents[2] / "python" / "sageattention" / "_abi.py"
GRANULARITIES = {"block": 1, "warp": 2, "thread": 3}


def _load_abi():
    spec = importlib.util.spec_from_file_location("sageattn_abi", _ABI_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


abi = _load_abi()


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

    def mean(self, x):
        """Mean over rows of a [B, H, S, D] view: float32 [B, H, D]."""
        batch, heads, rows, dim = x.shape
        mean = torch.full((batch, heads, dim), float("nan"), device=x.device)
        params = abi.MeanParams(
            size=ctypes.sizeof(abi.MeanParams),
            input=view(x),
            mean=mean.data_ptr(),
            batch=batch,
            heads=heads,
            rows=rows,
            head_dim=dim,
            dtype=dtype(x),
        )
        self.call("sageattn_mean", ctypes.byref(params), 0, stream())
        return mean

    def quantize(self, x, operand, granularity, mean=None, want_dot=False, output=None):
        """int8 [B, H, S, D], float32 scales [B, H, count], and mean_dot [B, H, S] or None."""
        batch, heads, rows, dim = x.shape
        if output is None:
            output = torch.full((batch, heads, rows, dim), 99, dtype=torch.int8, device=x.device)
        count = self.scale_count(operand, granularity, rows)
        scale = torch.full((batch, heads, count), float("nan"), device=x.device)
        dot = torch.full((batch, heads, rows), float("nan"), device=x.device) if want_dot else None
        params = abi.QuantizeParams(
            size=ctypes.sizeof(abi.QuantizeParams),
            input=view(x),
            output=view(output),
            scale=scale.data_ptr(),
            mean=pointer(mean),
            mean_dot=pointer(dot),
            batch=batch,
            heads=heads,
            key_heads=heads if mean is None else mean.shape[1],
            rows=rows,
            head_dim=dim,
            dtype=dtype(x),
            operand=operand,
            granularity=granularity,
        )
        self.call("sageattn_quantize", ctypes.byref(params), 0, stream())
        return output, scale, dot

    def attend(self, q8, k8, v, output, q_scale, k_scale, granularity, sm_scale, causal=False, dot=None, lse=None):
        """Attention of quantised operands into output (and lse), on torch's current stream."""
        batch, heads, rows, dim = q8.shape
        params = abi.AttentionParams(
            size=ctypes.sizeof(abi.AttentionParams),
            query=view(q8),
            key=view(k8),
            value=view(v),
            output=view(output),
            query_scale=q_scale.data_ptr(),
            key_scale=k_scale.data_ptr(),
            mean_dot=pointer(dot),
            lse=pointer(lse),
            batch=batch,
            query_heads=heads,
            key_heads=k8.shape[1],
            query_rows=rows,
            key_rows=k8.shape[2],
            head_dim=dim,
            sm_scale=sm_scale,
            causal=int(causal),
            granularity=granularity,
            value_dtype=dtype(v),
            output_dtype=dtype(output),
        )
        self.call("sageattn_attention", ctypes.byref(params), 0, stream())

    def attention(self, q, k, v, granularity="thread", causal=False, smooth=True, output=None, sm_scale=None):
        """The whole path for [B, H, S, D] views: (output, lse)."""
        number = GRANULARITIES[granularity]
        mean = self.mean(k) if smooth else None
        k8, k_scale, _ = self.quantize(k, abi.KEY, number, mean)
        q8, q_scale, dot = self.quantize(q, abi.QUERY, number, mean, want_dot=smooth)
        if output is None:
            output = torch.full_like(q, float("nan"))
        lse = torch.full(q.shape[:3], float("nan"), device=q.device)
        self.attend(q8, k8, v, output, q_scale, k_scale, number, sm_scale or q.shape[-1] ** -0.5, causal, dot, lse)
        return output, lse


def view(x):
    assert x.stride(3) == 1 or x.shape[3] <= 1
    return abi.Tensor(data=x.data_ptr(), batch_stride=x.stride(0), head_stride=x.stride(1), row_stride=x.stride(2))


def dtype(x):
    return {torch.float16: abi.FLOAT16, torch.bfloat16: abi.BFLOAT16}[x.dtype]


def pointer(x):
    return None if x is None else x.data_ptr()


def stream():
    return torch.cuda.current_stream().cuda_stream
