"""What `tune` asks a GPU: which kernels are right, and how long they take."""

from __future__ import annotations

import contextlib
import functools
import statistics
from typing import Any, Callable

import torch

from . import _abi, _dispatch, _kernels, _library, _probe, _probe_cases, _sdpa, _triton, reference
from ._call import Request
from ._dispatch import ONLY, TORCH, TRITON
from ._kinds import KINDS
from ._namespace import OPERATORS
from ._probe import Case, Tensors
from ._table import BIAS, PADDING, Shape
from ._tune import HEADS, SQUARES, Source

# Each of torch's backends by itself, for the report: calls are handed to torch's own choice among them.
BACKENDS = {
    "torch flash": "FLASH_ATTENTION",
    "torch cudnn": "CUDNN_ATTENTION",
    "torch efficient": "EFFICIENT_ATTENTION",
}
_SAMPLES, _MICROSECONDS, _MOST_CALLS = 5, 1500.0, 20
# Programs that make longer calls keep the GPU busy: what counts there is a GPU at the clock that its power allows.
_LONG, _WARM_UP = 200.0, 80_000.0  # microseconds
_CYCLES_TO_QUEUE = 400_000  # 0.2 ms, in which the host queues a call
Operands = tuple[Any, ...]


class Gpu:
    """One GPU, after its kernels were checked. wrong: a line for each that computes wrongly."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.sm = device, _library.device(device.index).sm
        cases = (*_probe_cases.of_device(device), *_torch_cases(device))
        findings = [finding for finding in _probe.measure(cases) if not finding.right]
        self.wrong = [f"{finding.kernel} is not chosen: {finding.problem}" for finding in findings]
        self._wrong = {finding.method for finding in findings}
        self._wrong_of_torch = {finding.kernel for finding in findings if finding.method == ONLY + TORCH}
        self._dtype = torch.bfloat16 if self.sm >= (8, 0) else torch.float16

    def source(self) -> Source:
        return Source(self.methods, self.default, self.microseconds)

    def methods(self, shape: Shape) -> list[str]:
        """Our kinds, Triton and torch, as far as they take such a call and are right."""
        kinds = [
            kind.name
            for kind in KINDS.values()
            if _dispatch.takes(kind, _mask_form(shape), shape.varlen)
            and _kernels.has(self.device.index, kind, shape.head_dim)
        ]
        found = [name for name in kinds if ONLY + name not in self._wrong]
        if TRITON not in self._wrong and not _triton.why_not(self.sm, self._request(TRITON, shape)):
            found.append(TRITON)
        if _case_name(shape.varlen, shape.causal, bool(shape.mask)) not in self._wrong_of_torch:
            found.append(TORCH)
            if shape.variant == "plain" and shape.extent == (SQUARES[0], SQUARES[0], HEADS[0]):
                found += [*BACKENDS]  # for the report alone
        return found

    def default(self, shape: Shape) -> str:
        try:
            return _dispatch.choose(self.device.index, self._request(_dispatch.AUTO, shape)).kind
        except RuntimeError:
            return ""

    def _request(self, method: str, shape: Shape) -> Request:
        bfloat16 = self._dtype == torch.bfloat16
        return Request(method, shape.head_dim, bfloat16, _mask_form(shape), shape.varlen)

    def microseconds(self, name: str, shape: Shape) -> float:
        """The median time of a call. Raises RuntimeError for what fails."""
        with _backend(name):
            return timed(self._call(name, shape))

    def _call(self, name: str, shape: Shape) -> Callable[[], Any]:
        q, k, v, mask, starts = self._operands(shape)
        if name in BACKENDS:
            return lambda: _sdpa.attention(q, k, v, mask, 0.0, shape.causal)
        method = name if name == TRITON else ONLY + name
        causal = _abi.CAUSAL_TOP_LEFT if shape.causal else _abi.NOT_CAUSAL
        options = causal, shape.head_dim**-0.5, method, _abi.PER_THREAD, True, False
        if shape.varlen:
            rows = shape.rows, shape.keys
            return lambda: OPERATORS.forward_varlen(q, k, v, mask, starts, starts, *rows, *options)
        return lambda: OPERATORS.forward(q, k, v, mask, False, *options)

    @functools.lru_cache(maxsize=1)  # noqa: B019 - lives as long as the measurement
    def _operands(self, shape: Shape) -> Operands:
        """Random operands; a boolean mask hides an eighth of the keys."""
        batch = 1 if shape.heads == 16 else 4 if shape.varlen else 2
        heads = shape.heads // batch

        def normal(rows: int, heads: int) -> torch.Tensor:
            size = (batch * rows, heads) if shape.varlen else (batch, heads, rows)
            return torch.randn(*size, shape.head_dim, dtype=self._dtype, device=self.device)

        q = normal(shape.rows, heads)
        k, v = (normal(shape.keys, heads // shape.group) for _ in range(2))
        mask = self._mask(shape, batch, heads) if shape.mask else None
        starts = None
        if shape.varlen:
            places = [shape.rows * index for index in range(batch + 1)]
            starts = torch.tensor(places, dtype=torch.int32, device=self.device)
        return q, k, v, mask, starts

    def _mask(self, shape: Shape, batch: int, heads: int) -> torch.Tensor:
        """Padding at the end, for each sequence of the batch; other keys for each query; or numbers for each head."""
        rows, keys = shape.rows, shape.keys
        if shape.mask == PADDING:
            seen = torch.arange(keys, device=self.device) < keys - keys // 8
            return seen.expand(batch, 1, 1, keys).contiguous()
        if shape.mask == BIAS:
            return torch.randn(1, heads, rows, keys, dtype=self._dtype, device=self.device)
        return torch.rand(batch, 1, rows, keys, device=self.device) >= 1 / 8


def _mask_form(shape: Shape) -> str:
    """As _call.mask_form."""
    return "float" if shape.mask == BIAS else "bool" if shape.mask else ""


def _backend(name: str) -> contextlib.AbstractContextManager[Any]:
    if name not in BACKENDS:
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backend = getattr(SDPBackend, BACKENDS[name], None)
    if backend is None:
        raise RuntimeError(f"this torch has no {BACKENDS[name]}")
    return sdpa_kernel(backend)


def timed(call: Callable[[], Any], warm_up: float = _WARM_UP) -> float:
    """Microseconds of the GPU for a call, the median of some samples of calls back to back.

    Long calls are measured behind a warm-up of so many microseconds, short ones while the GPU has nothing else to do.
    """
    call()
    once = min(_samples(call, 2, 2))
    if once >= _LONG:
        found = statistics.median(_samples(call, _count(once), _SAMPLES, int(warm_up / once)))
        if found >= _LONG:
            return found
        once = found  # the host had stopped for a moment: this is a short call
    return statistics.median(_samples(call, _count(once), _SAMPLES))


def _count(once: float) -> int:
    """How many calls of so many microseconds a sample has."""
    return int(min(max(_MICROSECONDS / once, 2), _MOST_CALLS))


def _samples(call: Callable[[], Any], count: int, number: int, before: int = 0) -> list[float]:
    """Microseconds of a call in so many samples of count calls, behind other calls.

    Nothing that is timed waits for the host, which queues it while the GPU is busy.
    """
    events = [torch.cuda.Event(enable_timing=True) for _ in range(number + 1)]  # type: ignore[no-untyped-call,unused-ignore]
    if not before:
        torch.cuda._sleep(number * count * _CYCLES_TO_QUEUE)
    for _ in range(before):
        call()
    events[0].record()  # type: ignore[no-untyped-call,unused-ignore]
    for event in events[1:]:
        for _ in range(count):
            call()
        event.record()  # type: ignore[no-untyped-call,unused-ignore]
    events[-1].synchronize()  # type: ignore[no-untyped-call,unused-ignore]
    pairs = zip(events, events[1:])
    return [max(float(begin.elapsed_time(end)) * 1000 / count, 0.01) for begin, end in pairs]  # type: ignore[no-untyped-call,unused-ignore]


def _case_name(varlen: bool, causal: bool, masked: bool) -> str:
    return TORCH + " varlen" * varlen + " causal" * causal + " masked" * masked


def _torch_cases(device: torch.device) -> list[Case]:
    """torch's attention where a call may be handed to it, checked as our kernels are."""
    calls = _probe_cases
    method, dtype = ONLY + TORCH, torch.float16
    dims = (64, 128, 256)
    plain = [calls.dense(device, method, dim, dtype, 0) for dim in dims]
    masked = [calls.dense(device, method, dim, dtype, 0, "bool") for dim in dims]
    square = [calls.square(device, method, dim, dtype) for dim in dims]
    found = [
        (_case_name(False, False, False), plain),
        (_case_name(False, True, False), square),
        (_case_name(False, False, True), [*masked, *(_no_key(device, dim) for dim in dims)]),
        (_case_name(True, True, False), [calls.varlen(device, method, dim) for dim in dims]),
        (_case_name(True, False, False), [calls.varlen(device, method, dim, False) for dim in dims]),
    ]
    return [Case(name, "torch", method, which, calls.BOUND) for name, which in found]


def _no_key(device: torch.device, head_dim: int) -> tuple[Tensors, Tensors]:
    """Rows that see no key give 0 here; by a boolean mask and by one that is added."""
    operands = _probe_cases.operands(head_dim, torch.float16)
    seen = _probe_cases.seen().clone()
    seen[5] = False
    added = torch.zeros(seen.shape, dtype=torch.float16).masked_fill_(~seen, float("-inf"))

    def launch() -> torch.Tensor:
        q, k, v = (x.to(device) for x in operands)
        options = False, 0, head_dim**-0.5, ONLY + TORCH, _abi.PER_THREAD, True, False
        found = [OPERATORS.forward(q, k, v, mask.to(device), *options)[0] for mask in (seen, added)]
        return torch.stack(found)

    def expected() -> torch.Tensor:
        return reference.attention(*operands, mask=seen)[0][None].expand(2, -1, -1, -1, -1)

    return launch, expected

