"""The cases of probe: every kernel that a GPU can run, on tensors so small that their reference takes no time.

References are computed on the CPU in float64, and are those that the tests of this package use.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch

from . import _abi, _dispatch, _kernels, _library, _probe, _triton, reference
from ._call import Request
from ._kernels import sm_text
from ._kinds import KINDS, Kind
from ._namespace import OPERATORS
from ._probe import Case, Tensors

BATCH, HEADS, KEY_HEADS, ROWS, KEYS = 2, 4, 2, 150, 200
STARTS = (0, 30, 150)  # of sequences behind each other
# Random numbers give 0.009 with 16-bit values and 0.03 with E4M3 ones (docs/gpu-results).
BOUND, BOUND_E4M3 = 0.02, 0.05
_EXACT, _BESIDE = 1e-5, 0.01
_LAUNCHERS = ("attention", "wgmma")

Operands = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def of_device(device: torch.device) -> Iterator[Case]:
    """Every kernel that the GPU can run: quantisers, attention of each kind and head dim, Triton."""
    sm = _library.device(device.index).sm
    kinds = [
        (kind, head_dim)
        for kind in KINDS.values()
        for head_dim in kind.head_dims
        if kind.launcher in _LAUNCHERS and _kernels.has(device.index, kind, head_dim)
    ]
    if any(kind.launcher == "attention" for kind, _ in kinds):
        yield from _quantisers(device, any(kind.e4m3 for kind, _ in kinds), _code(sm, kinds[0][0], kinds[0][1]))
    for kind, head_dim in kinds:
        yield _attention(device, kind, head_dim, _code(sm, kind, head_dim))
    if (KINDS["fp8_scaled"], 128) in kinds and (KINDS["fp8"], 128) in kinds:
        yield _beside_fp8(device, _code(sm, KINDS["fp8_scaled"], 128))
    if not _triton.why_not(sm, Request(_dispatch.TRITON)):
        for head_dim in (64, 128):
            calls = (dense(device, _dispatch.TRITON, head_dim, torch.float16, 0, "", _abi.PER_BLOCK),)
            yield Case(f"triton_hd{head_dim}", "compiled", _dispatch.TRITON, calls, BOUND)


def _beside_fp8(device: torch.device, code: str) -> Case:
    """The product with scales against that without, on the same E4M3 values and scores and on many keys.

    Both sum in float32, in another order; a wrong scale would be a factor of two, and sums of fewer bits would show.
    """

    def outputs(kind: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        q, k, v = (
            torch.randn(1, 2, rows, 128, generator=generator).to(device, torch.float16) for rows in (128, 4096, 4096)
        )
        method = _dispatch.ONLY + kind
        output: torch.Tensor = OPERATORS.forward(
            q, k, v, None, False, 0, 128**-0.5, method, _abi.PER_THREAD, True, False
        )[0]
        return output

    calls = ((lambda: outputs("fp8_scaled"), lambda: outputs("fp8").cpu().double()),)
    return Case("attention_fp8_scaled beside fp8", code, _dispatch.ONLY + "fp8_scaled", calls, _BESIDE)


def _code(sm: tuple[int, int], kind: Kind, head_dim: int) -> str:
    image = _kernels.image(sm, kind, head_dim)
    if image is None:
        return ""
    return f"PTX {sm_text(image.sm)}" if image.ptx else sm_text(image.sm)


@functools.cache
def operands(head_dim: int, dtype: torch.dtype) -> Operands:
    """Random normal query, key and value on the CPU, HND; the keys are off centre, as real ones are."""
    generator = torch.Generator().manual_seed(head_dim)

    def normal(heads: int, rows: int) -> torch.Tensor:
        return torch.randn(BATCH, heads, rows, head_dim, generator=generator).to(dtype)

    return normal(HEADS, ROWS), normal(KEY_HEADS, KEYS) + 1, normal(KEY_HEADS, KEYS)


@functools.cache
def seen() -> torch.Tensor:
    """A boolean mask [rows, keys] that hides about a third of the keys, but never the first."""
    mask = torch.rand(ROWS, KEYS, generator=torch.Generator().manual_seed(0)) < 0.7
    mask[:, 0] = True
    return mask


@functools.cache
def expected(head_dim: int, dtype: torch.dtype, causal: int, masked: bool) -> torch.Tensor:
    """Attention of operands() in float64."""
    mask = seen() if masked else None
    return reference.attention(*operands(head_dim, dtype), causal, mask=mask)[0]


def _attention(device: torch.device, kind: Kind, head_dim: int, code: str) -> Case:
    """A kind of kernel on float16 and causal bfloat16, and on sequences behind each other where it takes these."""
    method, calls = _dispatch.ONLY + kind.name, []
    mask = next((form for form in ("", "bool", "float") if _dispatch.takes(kind, form, False)), None)
    if mask is not None:
        for dtype, causal in (torch.float16, _abi.NOT_CAUSAL), (torch.bfloat16, _abi.CAUSAL_TOP_LEFT):
            calls.append(dense(device, method, head_dim, dtype, causal, mask))
    if _dispatch.takes(kind, "", True):
        calls.append(varlen(device, method, head_dim))
    return Case(kind.kernel(head_dim), code, method, calls, BOUND_E4M3 if kind.e4m3 else BOUND)


def dense(
    device: torch.device,
    method: str,
    head_dim: int,
    dtype: torch.dtype,
    causal: int,
    mask_form: str = "",
    granularity: int = _abi.PER_THREAD,
) -> tuple[Tensors, Tensors]:
    def launch() -> torch.Tensor:
        q, k, v = _on(device, head_dim, dtype)
        mask = _mask(mask_form, device)
        output: torch.Tensor
        output, _ = OPERATORS.forward(
            q, k, v, mask, False, causal, head_dim**-0.5, method, granularity, True, False
        )
        return output

    return launch, lambda: expected(head_dim, dtype, causal, bool(mask_form))


def _mask(form: str, device: torch.device) -> torch.Tensor | None:
    """seen() in the form of _call.mask_form: "" for none, "bool" or "float"."""
    if not form:
        return None
    mask = seen() if form == "bool" else torch.zeros(ROWS, KEYS).masked_fill_(~seen(), float("-inf"))
    return mask.to(device)


@functools.lru_cache(maxsize=2)
def _on(device: torch.device, head_dim: int, dtype: torch.dtype) -> Operands:
    q, k, v = (x.to(device) for x in operands(head_dim, dtype))
    return q, k, v


def square(
    device: torch.device, method: str, head_dim: int, dtype: torch.dtype
) -> tuple[Tensors, Tensors]:
    """Causal, with as many queries as keys."""
    _, k, v = operands(head_dim, dtype)
    q = k.repeat_interleave(HEADS // KEY_HEADS, 1) - 1

    def launch() -> torch.Tensor:
        there = (x.to(device) for x in (q, k, v))
        output: torch.Tensor
        output, _ = OPERATORS.forward(
            *there, None, False, _abi.CAUSAL_TOP_LEFT, head_dim**-0.5, method, _abi.PER_THREAD, True, False
        )
        return output

    return launch, lambda: reference.attention(q, k, v, True)[0]


def varlen(
    device: torch.device, method: str, head_dim: int, causal: bool = True
) -> tuple[Tensors, Tensors]:
    """Sequences behind each other, whose first query heads are keys and values too, so that lengths are the same."""
    rows = operands(head_dim, torch.float16)[0][0].transpose(0, 1).contiguous()
    shared = rows[:, :KEY_HEADS].contiguous()
    q, k, starts = rows.to(device), shared.to(device), torch.tensor(STARTS, dtype=torch.int32, device=device)
    longest = max(end - begin for begin, end in zip(STARTS, STARTS[1:]))

    def launch() -> torch.Tensor:
        output: torch.Tensor
        output, _ = OPERATORS.forward_varlen(
            q, k, k, None, starts, starts, longest, longest,
            _abi.CAUSAL_TOP_LEFT if causal else _abi.NOT_CAUSAL, head_dim**-0.5, method, _abi.PER_THREAD, True, False,
        )  # fmt: skip
        return output

    def wanted() -> torch.Tensor:
        return reference.varlen_attention(rows, shared, shared, [*STARTS], [*STARTS], causal)[0]

    return launch, wanted


def _quantisers(device: torch.device, e4m3: bool, code: str) -> Iterator[Case]:
    """The quantisers, whose bits are the reference's; the mean, which is summed in another order."""
    q, k, v = operands(128, torch.float16)

    def mean() -> torch.Tensor:
        output: torch.Tensor = OPERATORS.mean(k.to(device), False)
        return output

    yield Case("mean", code, "", [(mean, lambda: k.double().mean(2))], _EXACT)
    calls = [_quantised(device, x, operand) for operand, x in ((_abi.QUERY, q), (_abi.KEY, k))]
    yield Case("quantize", code, "", calls, _EXACT)
    if e4m3:
        yield Case("quantize_value", code, "", [_quantised_value(device, v)], _EXACT)


def _quantised(device: torch.device, tensor: torch.Tensor, operand: int) -> tuple[Tensors, Tensors]:
    def launch() -> torch.Tensor:
        there = tensor.to(device)
        if operand == _abi.QUERY:
            output, scale, _ = OPERATORS.quantize_query(there, None, False, _abi.PER_THREAD)
        else:
            output, scale = OPERATORS.quantize_key(there, None, False, _abi.PER_THREAD)
        return reference.dequantize(output.cpu(), scale.cpu(), operand, _abi.PER_THREAD)

    def wanted() -> torch.Tensor:
        quantised = reference.quantize(tensor, operand, _abi.PER_THREAD)
        return reference.dequantize(*quantised, operand, _abi.PER_THREAD)

    return launch, wanted


def _quantised_value(device: torch.device, value: torch.Tensor) -> tuple[Tensors, Tensors]:
    def launch() -> torch.Tensor:
        output, scale, _ = OPERATORS.quantize_value(value.to(device), False, 448.0, False)
        mean = torch.zeros(scale.shape)
        return reference.dequantize_value(output.cpu(), scale.cpu(), mean, KEYS)

    def wanted() -> torch.Tensor:
        return reference.dequantize_value(*reference.quantize_value(value), KEYS)

    return launch, wanted


def probe() -> bool:
    """Launches every kernel that this machine's GPUs can run and prints a report: is each kernel right?

    Returns whether all are. Without a GPU, prints what is missing and returns False.
    """
    found = _probe.collect(of_device)
    print(_probe.render(found))
    return _probe.status(found) == _probe.ALL_RIGHT
