"""This package's public functions, and the kernel that each takes, alone."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..cases import HOST_ROWS
from .base import Calls, Method
from .package import Package, package

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands

VARLEN = "sageattn_varlen"


class Ours(Method):
    """A public function. request: the method of sageattention._dispatch that it stands for."""

    peer = False

    def __init__(self, name: str, function: str, request: str) -> None:
        self.name, self.title, self._request = name, function, request

    def why_missing(self) -> str:
        try:
            found = package()
            if not found.library.device_count():
                return "the driver shows no GPU"
        except (ImportError, RuntimeError, ValueError) as error:
            return str(error)
        return ""

    def version(self) -> str:
        return str(package().top.__version__)

    def why_not(self, case: Case) -> str:
        if case.lengths and self._request != "auto":
            return f"sequences of different lengths are {VARLEN}'s"
        try:
            self._choice(case)
        except (RuntimeError, ValueError) as error:
            return str(error)
        return ""

    def identity(self, case: Case) -> str:
        choice = self._choice(case)
        if choice.kind == package().dispatch.TRITON:
            return "triton"
        return str(
            package().kernels.name(_device(), choice.kind, case.head_dim, bool(case.lengths))
        )

    def parts(self, case: Case) -> tuple[str, ...]:
        # The Triton kernel for sequences has no entry of its own; masks are measured through the function alone.
        alone = not case.mask and not (case.lengths and self.identity(case) == "triton")
        return ("kernel", "whole") if alone else ("whole",)

    def _choice(self, case: Case) -> Any:
        found = package()
        request = found.dispatch.Request(
            self._request, case.head_dim, case.dtype == "bfloat16", bool(case.mask), bool(case.lengths)
        )
        return found.dispatch.choose(_device(), request)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        found, kind = package(), self._choice(case).kind
        q, k, v, starts, longest, mask = operands
        function = getattr(found.top, VARLEN if case.lengths else self.title)

        masked = {} if mask is None else {"attn_mask": mask}

        def whole() -> torch.Tensor:
            output: torch.Tensor
            if case.lengths:
                output = function(q, k, v, starts, starts, longest, longest, is_causal=case.causal)
            else:
                output = function(q, k, v, is_causal=case.causal, **masked)
            return output

        alone = {"fp8_wgmma": _wgmma, found.dispatch.TRITON: _triton}.get(kind, _plain)

        @functools.lru_cache(maxsize=1)
        def prepared() -> Callable[[], Any]:
            return alone(found, kind, case, operands)

        return Calls({"kernel": lambda: prepared()(), "whole": whole}, whole, self.identity(case))


def _device() -> int:
    import torch

    return int(torch.cuda.current_device())


def _causal(found: Package, case: Case) -> int:
    return int(found.abi.CAUSAL_TOP_LEFT if case.causal else found.abi.NOT_CAUSAL)


def _wgmma(found: Package, kind: str, case: Case, operands: Operands) -> Callable[[], Any]:
    """Attention in a workspace that is quantised here, once."""
    import torch

    wgmma, view = found.wgmma, found.launch.view
    q, k, v = operands[:3]
    output = torch.empty_like(q)
    dtype = found.abi.BFLOAT16 if q.dtype == torch.bfloat16 else found.abi.FLOAT16
    params = wgmma.WgmmaParams(
        size=ctypes.sizeof(wgmma.WgmmaParams),
        query=view(q, False),
        key=view(k, False),
        value=view(v, False),
        output=view(output, False),
        batch=case.batch,
        query_heads=case.heads,
        key_heads=case.kv_heads,
        query_rows=case.query_rows,
        key_rows=case.key_rows,
        head_dim=case.head_dim,
        sm_scale=case.head_dim**-0.5,
        causal=_causal(found, case),
        smooth_k=1,
        dtype=dtype,
        output_dtype=dtype,
    )
    library = found.library.library()
    library.sageattn_wgmma_workspace.restype = ctypes.c_int64
    size = library.sageattn_wgmma_workspace(ctypes.byref(params))
    if size < 0:
        found.library.check(found.abi.INVALID_ARGUMENT)
    workspace = torch.empty(size, dtype=torch.uint8, device=q.device)
    params.workspace, params.workspace_size = workspace.data_ptr(), size
    attend = library.sageattn_wgmma_attention
    attend.restype = ctypes.c_int
    attend.argtypes = [ctypes.POINTER(wgmma.WgmmaParams), ctypes.c_int32, ctypes.c_void_p]
    params.steps = wgmma.QUANTIZE
    found.launch.run(attend, params, q.device)
    params.steps = wgmma.ATTEND
    kept = (workspace, output)  # the call holds their addresses alone

    def kernel() -> Any:
        found.launch.run(attend, params, q.device)
        return kept

    return kernel


def _plain(found: Package, kind: str, case: Case, operands: Operands) -> Callable[[], Any]:
    """Attention on operands that are quantised here, once, as sageattention._run does it."""
    import torch

    abi, paths = found.abi, found.paths
    q, k, v, starts, longest, _ = operands
    lengths = None
    if starts is not None:
        q, k, v = q[None], k[None], v[None]
        lengths = (found.launch.Lengths(starts, longest),) * 2
    output = torch.empty_like(q)
    nhd, causal, scale = starts is not None, _causal(found, case), case.head_dim**-0.5
    call = paths.Call(
        q, k, v, output, None, None, nhd, causal, scale, abi.PER_THREAD, True, lengths
    )
    key, key_scale, _ = paths.quantize(call, abi.KEY, paths.key_mean(call))
    query, query_scale, _ = paths.quantize(call, abi.QUERY, None)
    value, value_scale, value_mean = paths._value(call, kind)

    def kernel() -> Any:
        found.launch.attention(
            query, key, value, query_scale, key_scale, output,
            nhd=nhd, granularity=abi.PER_THREAD, sm_scale=scale, causal=causal,
            value_scale=value_scale, value_mean=value_mean,
            accumulation=int(kind.endswith("accum_f16")), lengths=lengths,
        )  # fmt: skip
        return output

    return kernel


def _triton(found: Package, kind: str, case: Case, operands: Operands) -> Callable[[], Any]:
    """The Triton kernels through the modules that callers of 2.2 import."""
    import importlib

    import torch

    q, k, v = operands[:3]
    suffix = "_causal" if case.causal else ""
    attend = importlib.import_module(f"sageattention.triton.attn_qk_int8_per_block{suffix}").forward
    quantise = importlib.import_module("sageattention.triton.quant_per_block").per_block_int8
    q8, q_scale, k8, k_scale = quantise(q, k, km=k.mean(dim=2, dtype=torch.float32))

    def kernel() -> Any:
        return attend(q8, k8, v, q_scale, k_scale, tensor_layout="HND", output_dtype=q.dtype)

    return kernel


class Compiled(Ours):
    """sageattn within torch.compile, which changes what the host does and nothing of the GPU's work."""

    def why_not(self, case: Case) -> str:
        if max(case.query_rows, case.key_rows) > HOST_ROWS or case.lengths or case.mask:
            return f"differs from sageattn on the host alone: measured up to {HOST_ROWS} rows"
        return super().why_not(case)

    def identity(self, case: Case) -> str:
        return ""

    def parts(self, case: Case) -> tuple[str, ...]:
        return ("whole",)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        import torch

        q, k, v = operands[:3]
        function: Callable[..., torch.Tensor] = torch.compile(package().top.sageattn, fullgraph=True)

        def whole() -> torch.Tensor:
            return function(q, k, v, is_causal=case.causal)

        return Calls({"whole": whole}, whole)


def our_methods() -> list[Method]:
    """sageattn first: the others are left out where they run its kernel."""
    return [
        Ours("sageattn", "sageattn", "auto"),
        Ours("fp8-sm90", "sageattn_qk_int8_pv_fp8_cuda_sm90", "fp8"),
        Ours("fp8", "sageattn_qk_int8_pv_fp8_cuda", "fp8_accum_f16"),
        Ours("fp16", "sageattn_qk_int8_pv_fp16_cuda", "fp16"),
        Ours("triton", "sageattn_qk_int8_pv_fp16_triton", "triton"),
        Compiled("compiled", "sageattn in torch.compile", "auto"),
    ]
