"""Launches the Triton kernels twice, for a GPU that is not here: compiled and bound by Triton, recorded, not run.

    python triton_again.py FOLDER      FOLDER for Triton's cache

Prints a line of JSON for each launch: the kernel's name, whether Triton bound its arguments, and whether the second
launch, with the same arguments, was recorded with the same ones; and a last line, microseconds of the host for an
attention call, Triton's way and again. A process of its own: CPU tensors say here that they are on a GPU.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import triton
from ahead_of_time import Driver  # type: ignore[import-not-found,unused-ignore]

from sageattention.triton import _again, _attention, _launch

_STREAM = 7
recorded: list[tuple[Any, ...]] = []


class Recorder(Driver):  # type: ignore[misc,unused-ignore]
    """A GPU of SM 9.0 that keeps what it is asked to launch."""

    utils = SimpleNamespace(
        load_binary=lambda *_: (object(), 1, 32, 0, 1024),
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
    replaced.cuda.get_device_capability = lambda device: (9, 0)
    replaced._C._cuda_getCurrentRawStream = lambda index: _STREAM


def plain(given: tuple[Any, ...]) -> list[Any]:
    return [x.data_ptr() if isinstance(x, torch.Tensor) else x for x in given]


def twice(kernel: Any, *rest: Any) -> None:
    """A launch, and the same again."""
    before, known = len(recorded), len(_again._found)
    _again.launch(kernel, *rest)
    bound = len(_again._found) > known
    _again.launch(kernel, *rest)
    first, second = map(plain, recorded[before:])
    name = kernel.fn.__name__
    print(json.dumps({"kernel": name, "bound": bound, "same": first == second, "kept": len(_again._found) - known}))


def attend(q: torch.Tensor, mask: torch.Tensor | None = None) -> None:
    _attention.attention(q, q[:, :2], q[:, :2], False, 1, 0.1, True, mask, return_lse=mask is not None)


def microseconds(q: torch.Tensor) -> float:
    for _ in range(20):
        attend(q)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        for _ in range(20):
            attend(q)
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
    again = microseconds(q)
    _again._KEEPS = False
    _again._found.clear()
    print(json.dumps({"microseconds": {"Triton's way": microseconds(q), "again": again}}))


if __name__ == "__main__":
    main()
