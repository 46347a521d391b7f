"""Launches kernels on tiny tensors and compares them with references: does this GPU compute what it should?

This is the one engine of `python -m sageattention probe`, of `tune`, and of packages that bring kernels of their
own: they hand their cases to collect() and measure(). The cases of this package's kernels are in _probe_cases.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, NamedTuple

import torch

from . import _describe, _diagnosis
from ._kernels import sm_text

Tensors = Callable[[], torch.Tensor]
CALLS = 20
ALL_RIGHT, WRONG, NO_GPU = 0, 1, 3  # exit statuses


class Case(NamedTuple):
    """One kernel: its calls, each with what it must give, and the largest relative L1 error that it may have.

    code tells what the GPU loads, such as "9.0" or "PTX 12.1"; method is the dispatcher's, or "" for a quantiser,
    whose calls copy to the host and are not timed.
    """

    kernel: str
    code: str
    method: str
    calls: Sequence[tuple[Tensors, Tensors]]
    bound: float


class Finding(NamedTuple):
    """What a case gave: its largest error, and the median time of its first call. None: it did not get that far."""

    kernel: str
    code: str
    method: str
    bound: float
    error: float | None = None
    microseconds: float | None = None
    problem: str = ""

    @property
    def right(self) -> bool:
        return not self.problem


def measure(cases: Iterable[Case]) -> Iterator[Finding]:
    """A finding for each case, in order. Once the GPU no longer answers, the cases that are left are not run."""
    lost = ""
    for case in cases:
        found = Finding(case.kernel, case.code, case.method, case.bound)
        if lost:
            yield found._replace(problem=f"not run: the GPU does not answer since {lost}")
            continue
        try:
            yield _judged(found, case)
        except Exception as error:  # noqa: BLE001 - a kernel may fail in any way, and that is what is asked
            yield found._replace(problem=_line(error))
            lost = case.kernel if _is_lost() else ""


def _judged(found: Finding, case: Case) -> Finding:
    error = max(relative_l1(launch(), expected()) for launch, expected in case.calls)
    if not error < float("inf"):
        return found._replace(problem="the output is not finite")
    microseconds = _microseconds(case.calls[0][0]) if case.method else None
    found = found._replace(error=error, microseconds=microseconds)
    if error <= case.bound:
        return found
    return found._replace(problem=f"wrong: the error is {error:.2g}, {case.bound:.2g} is allowed")


def relative_l1(output: torch.Tensor, expected: torch.Tensor) -> float:
    """sum |output - expected| / sum |expected| in float64; infinity if any output is not finite."""
    found, wanted = output.detach().cpu().double(), expected.detach().cpu().double()
    if not bool(torch.isfinite(found).all()):
        return float("inf")
    return float((found - wanted).abs().sum() / wanted.abs().sum().clamp_min(1e-30))


def _microseconds(launch: Tensors) -> float:
    """The median time of a call, the wait for its result included. Launches of tiny tensors take the host's time."""
    device = launch().device
    times = []
    for _ in range(CALLS):
        synchronize(device)
        begin = time.perf_counter()
        launch()
        synchronize(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def synchronize(device: torch.device) -> None:
    """Waits for the device. Raises RuntimeError if a kernel failed."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _is_lost() -> bool:
    """Whether the GPU answers no more: after some errors every later call of this process fails."""
    try:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def _line(error: BaseException) -> str:
    """One line of what was raised."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".rstrip(": ")


def collect(cases_of: Callable[[torch.device], Iterable[Case]]) -> dict[str, Any]:
    """The report as plain data for JSON: versions, and each GPU's findings. Names what is missing, never raises."""
    found = _describe.versions()
    devices, problem = _diagnosis.devices()
    if not problem and not torch.cuda.is_available():
        problem = _diagnosis.why_no_gpu()
    found["gpus"], found["problem"] = [], problem
    for index, device in enumerate([] if problem else devices[: torch.cuda.device_count()]):
        try:
            findings = [*measure(cases_of(torch.device("cuda", index)))]
        except (RuntimeError, ValueError) as error:
            findings = [Finding("none", "", "", 0.0, problem=_line(error))]
        kernels = [{**finding._asdict(), "right": finding.right} for finding in findings]
        found["gpus"].append({"name": device.name, "sm": sm_text(device.sm), "kernels": kernels})
    return found


def status(found: dict[str, Any]) -> int:
    """The exit status of a report: all kernels are right, one is wrong, or there is no GPU."""
    kernels = [kernel for gpu in found["gpus"] for kernel in gpu["kernels"]]
    if found["problem"] or not kernels:
        return NO_GPU
    return ALL_RIGHT if all(kernel["right"] for kernel in kernels) else WRONG


def render(found: dict[str, Any], package: str = "sageattention") -> str:
    """The report as text."""
    lines = _describe.header(found, package)
    if found["problem"]:
        lines.append(f"no GPU: {found['problem']}")
    for index, gpu in enumerate(found["gpus"]):
        kernels = gpu["kernels"]
        wrong = sum(not kernel["right"] for kernel in kernels)
        verdict = f"{wrong} of {len(kernels)} kernels FAILED" if wrong else f"all {len(kernels)} kernels are right"
        lines += ["", f"GPU {index}: {gpu['name']}, SM {gpu['sm']}: {verdict}", _row(_HEADER)]
        lines += [_row(_cells(kernel)) for kernel in kernels]
    return "\n".join(lines)


_HEADER = ("kernel", "code of SM", "error", "allowed", "us a call", "")


def _cells(kernel: dict[str, Any]) -> tuple[str, ...]:
    error, microseconds = kernel["error"], kernel["microseconds"]
    return (
        kernel["kernel"],
        kernel["code"],
        "" if error is None else f"{error:.5f}",
        f"{kernel['bound']:.5f}",
        "" if microseconds is None else f"{microseconds:.0f}",
        kernel["problem"] or "right",
    )


def _row(cells: tuple[str, ...]) -> str:
    kernel, *numbers, verdict = cells
    return f"  {kernel:<30}{''.join(f'{cell:>11}' for cell in numbers)}  {verdict}".rstrip()
