"""This package's public functions, and the kernel that each takes, alone."""

from __future__ import annotations

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
        if case.lengths and self._request not in ("auto", "quantised"):
            return f"sequences of different lengths are {VARLEN}'s"
        try:
            self._choice(case)
        except (RuntimeError, ValueError) as error:
            return str(error)
        return ""

    def identity(self, case: Case) -> str:
        found, choice = package(), self._choice(case)
        if self._is_handed_over(case):
            return "torch's scaled_dot_product_attention"
        if choice.kind == found.dispatch.TRITON:
            return "triton"
        return str(found.kinds.KINDS[choice.kind].kernel(case.head_dim))

    def parts(self, case: Case) -> tuple[str, ...]:
        # The Triton kernel for sequences has no entry of its own; masks are measured through the function alone.
        identity = self.identity(case)
        alone = not case.mask and not identity.startswith("torch") and not (case.lengths and identity == "triton")
        return ("kernel", "whole") if alone else ("whole",)

    def _choice(self, case: Case) -> Any:
        found = package()
        request = found.call.Request(
            self._request, case.head_dim, case.dtype == "bfloat16", _mask_form(case), bool(case.lengths)
        )
        return found.dispatch.choose(_device(), request)

    def _is_handed_over(self, case: Case) -> bool:
        """Whether the package's table gives such calls to torch."""
        found = package()
        if self._request != "auto" or found.choice.always():
            return False
        flags = case.causal, case.mask, bool(case.lengths)  # the names of masks are the table's
        sizes = case.query_rows, case.key_rows, case.batch * case.heads, case.heads // case.kv_heads
        cell = found.choice.measured(_device(), found.table.Shape(case.head_dim, *flags, *sizes))
        return cell is not None and bool(cell.torch)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        found, kind = package(), self._choice(case).kind
        q, k, v, starts, longest, mask = operands
        function = getattr(found.top, VARLEN if case.lengths else self.title)

        options: dict[str, Any] = {} if mask is None else {"attn_mask": mask}
        if self._request == "quantised":
            options["always_quantize"] = True

        def whole() -> torch.Tensor:
            output: torch.Tensor
            if case.lengths:
                output = function(q, k, v, starts, starts, longest, longest, is_causal=case.causal, **options)
            else:
                output = function(q, k, v, is_causal=case.causal, **options)
            return output

        wgmma = kind in found.kinds.KINDS and found.kinds.KINDS[kind].launcher == "wgmma"
        alone = _wgmma if wgmma else _triton if kind == found.dispatch.TRITON else _plain

        @functools.lru_cache(maxsize=1)
        def prepared() -> Callable[[], Any]:
            return alone(found, kind, case, operands)

        return Calls({"kernel": lambda: prepared()(), "whole": whole}, whole, self.identity(case))


def _mask_form(case: Case) -> str:
    """The case's mask in the words of sageattention._call.mask_form."""
    return {"": "", "bias": "float"}.get(case.mask, "bool")


def _device() -> int:
    import torch

    return int(torch.cuda.current_device())


def _causal(found: Package, case: Case) -> int:
    return int(found.abi.CAUSAL_TOP_LEFT if case.causal else found.abi.NOT_CAUSAL)


def _plan(found: Package, kind: str, case: Case, operands: Operands) -> tuple[Any, list[Any]]:
    """The package's steps for a case, without LSE, and the tensors that they work on, by the numbers of _operand."""
    import torch

    q, k, v, starts, longest, _ = operands
    row = found.kinds.KINDS[kind]
    if starts is not None:
        q, k, v = q[None], k[None], v[None]
    if found.run.takes_float16(row):
        v = found.run.to_float16(v)
    output, nhd, scale = torch.empty_like(q), starts is not None, case.head_dim**-0.5
    tensors = [q, k, v, output, None, None, starts, starts]
    numbers = found.operand.SOURCES
    places = [x if x is None else found.operand.Operand.of(n, x) for n, x in zip(numbers, tensors)]
    lengths = None if starts is None else tuple(found.call.Lengths(x, longest) for x in places[6:])
    options = nhd, _causal(found, case), scale, found.abi.PER_THREAD, True
    call, workspace = found.call.Call(*places[:6], *options, lengths), found.plan.Workspace()
    steps = [*found.run.steps(call, row, workspace)]
    scratch = torch.empty(workspace.size, dtype=torch.uint8, device=q.device)
    return steps, [*tensors, scratch]


def _queue(found: Package, steps: list[Any], tensors: list[Any]) -> Callable[[], Any]:
    """A function that queues steps."""
    plan = found.plan.LibraryPlan(steps, found.plan.Workspace(), tensors[0].device)
    addresses = [0 if x is None else x.data_ptr() for x in tensors]

    def queue() -> Any:
        plan.launch(*addresses)
        return tensors[3]

    return queue


def _wgmma(found: Package, kind: str, case: Case, operands: Operands) -> Callable[[], Any]:
    """Attention in a workspace that is quantised here, once."""
    (step,), tensors = _plan(found, kind, case, operands)
    step.params.steps = found.abi.WGMMA_QUANTIZE
    _queue(found, [step], tensors)()
    step.params.steps = found.abi.WGMMA_ATTEND
    return _queue(found, [step], tensors)


def _plain(found: Package, kind: str, case: Case, operands: Operands) -> Callable[[], Any]:
    """Attention on operands that are quantised here, once."""
    (*steps, attention), tensors = _plan(found, kind, case, operands)
    _queue(found, steps, tensors)()
    return _queue(found, [attention], tensors)


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
        Ours("quantised", "sageattn", "quantised"),  # where a table hands the calls of the first to torch
        Ours("fp8-sm90", "sageattn_qk_int8_pv_fp8_cuda_sm90", "fp8"),
        Ours("fp8", "sageattn_qk_int8_pv_fp8_cuda", "fp8_accum_f16"),
        Ours("fp16", "sageattn_qk_int8_pv_fp16_cuda", "fp16"),
        Ours("triton", "sageattn_qk_int8_pv_fp16_triton", "triton"),
        Compiled("compiled", "sageattn in torch.compile", "auto"),
    ]
