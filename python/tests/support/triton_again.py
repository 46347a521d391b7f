"""Launches the Triton kernels twice, for a GPU that is not here: compiled and bound by Triton, recorded, not run.

    python triton_again.py FOLDER      FOLDER for Triton's cache

Prints a line of JSON for each launch: the kernel's name, whether Triton bound its arguments, and whether the second
launch, with the same arguments, was recorded with the same ones; and a last line, microseconds of the host for an
attention call, Triton's way and again. A process of its own: CPU tensors say here that they are on a GPU.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import torch
import triton
from ahead_of_time import Driver  # type: ignore[import-not-found,unused-ignore]

from sageattention import _operand, _triton
from sageattention._call import Call
from sageattention.triton import _again, _attention, _launch

_STREAM = 7
recorded: list[tuple[Any, ...]] = []
# A module, a function, its registers, its spills and, since Triton 3.4, its most threads.
_LOADED = (object(), 1, 32, 0, 1024)[: 5 if _triton._release(_triton.version()) >= (3, 4) else 4]


class Recorder(Driver):  # type: ignore[misc,unused-ignore]
    """A GPU of SM 9.0 that keeps what it is asked to launch."""

    utils = SimpleNamespace(
        load_binary=lambda *_: _LOADED,
        get_device_properties=lambda device: {"max_shared_mem": 227 << 10},
    )

    def get_current_stream(self, device: int) -> int:
        return _STREAM

    def launcher_cls(self, source: Any, metadata: Any) -> Any:
        return lambda *given: recorded.append(given)


def claim_gpu() -> None:
    empty: Any = torch.empty
    replaced: Any = torch
    replaced.empty = lambda *sizes, device=None, **named: empty(*sizes, **named)
    replaced.Tensor.device = property(lambda self: torch.device("cuda", 0))
    replaced.cuda.current_device = lambda: 0
    replaced.cuda.device = contextlib.nullcontext
    replaced.cuda.get_device_capability = lambda device: (9, 0)
    replaced._C._cuda_getCurrentRawStream = lambda index: _STREAM


def plain(given: tuple[Any, ...]) -> list[Any]:
    """What a launch was given, without the seventh: what newer Tritons tell their hooks is a new object each time."""
    return [x.data_ptr() if isinstance(x, torch.Tensor) else x for x in given[:6] + given[7:]]


def twice(kernel: Any, *rest: Any) -> Any:
    """A launch, and the same again."""
    before, known = len(recorded), len(_again._found)
    again = _again.launch(kernel, *rest)
    bound = len(_again._found) > known
    assert _again.launch(kernel, *rest) is again
    first, second = map(plain, recorded[before:])
    name = kernel.fn.__name__
    print(json.dumps({"kernel": name, "bound": bound, "same": first == second}))
    return again


def attend(q: torch.Tensor, mask: torch.Tensor | None = None) -> None:
    _attention.attention(q, q[:, :2], q[:, :2], False, 1, 0.1, True, mask, return_lse=mask is not None)


def planned(q: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    """Attention of a tensor to itself by a plan."""
    places = _operand.QUERY, _operand.KEY, _operand.VALUE, _operand.OUTPUT
    call = Call(*(_operand.Operand.of(place, q) for place in places), None, None, False, 1, 0.1, 1, True)
    run = _triton.plan(call)
    return lambda x: run(x, x, x, None, None, None)


def repeat(q: torch.Tensor, shifted: torch.Tensor) -> None:
    """Says whether a planned call's launches are those of the first, on other addresses."""
    run = planned(q)
    before = len(recorded)
    for operand in (q, q.clone(), shifted):
        run(operand)
    calls = [[plain(x) for x in recorded[before + at : before + at + 3]] for at in (0, 3, 6)]
    # An address is larger than every number of these calls; an output of a launch is an operand of a later one.
    alike = [[[_shape(x) for x in launch] for launch in call] for call in calls]
    first, second, third = calls[1]
    arguments = [launch[8:] for launch in (first, second, third)]
    written = [arguments[0][1], arguments[1][1], arguments[0][2], arguments[1][2]]
    joined = written == [*arguments[2][:2], *arguments[2][4:6]]
    print(json.dumps({"repeated": alike[0] == alike[1], "joined": joined, "launches": len(recorded) - before}))


def _shape(x: Any) -> Any:
    return "address" if isinstance(x, int) and x > 1 << 20 else str(x)


def microseconds(call: Callable[[], Any]) -> float:
    for _ in range(20):
        call()
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        for _ in range(20):
            call()
        times.append((time.perf_counter() - begin) / 20 * 1e6)
    return round(min(times), 1)


def main() -> None:
    os.environ["TRITON_CACHE_DIR"] = str(Path(sys.argv[1]))
    triton.runtime.driver.set_active(Recorder(90))
    claim_gpu()
    _launch.launch = twice
    numbers = torch.zeros(2 * 4 * 64 * 64 + 1, dtype=torch.float16)
    q, shifted = numbers[:-1].view(2, 4, 64, 64), numbers[1:].view(2, 4, 64, 64)
    for operand in (q, q, shifted, q[:, :, :32]):
        attend(operand)
    attend(q, torch.ones(64, 64, dtype=torch.bool))
    rows, starts = q[0].transpose(0, 1), torch.tensor([0, 32, 64])
    _attention.attention_varlen(rows, rows, rows, starts, starts, 32, 32, 1, 0.1, True)
    _launch.launch = _again.launch
    repeat(q, shifted)
    run = planned(q)
    times = {"again": microseconds(lambda: attend(q)), "planned": microseconds(lambda: run(q))}
    _again._KEEPS = False
    _again._found.clear()
    print(json.dumps({"microseconds": {"Triton's way": microseconds(lambda: attend(q)), **times}}))


if __name__ == "__main__":
    main()
