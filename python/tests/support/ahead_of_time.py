"""Compiles the Triton kernels for a GPU that is not here: the package's own launches, stopped before the GPU.

    python ahead_of_time.py SM FOLDER [CASE…]      SM as in 90; FOLDER for Triton's cache

Prints a line of JSON for each kernel: case, kernel, bytes of shared memory, and bytes of stack, which only registers
that do not suffice need. A process of its own, because Triton's compiler may abort it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import torch
import triton
from triton.backends.compiler import GPUTarget

from sageattention.triton import _attention_kernel, _launch, _quantize_kernels, quant_per_thread
from sageattention.triton._attention import attention, attention_varlen

KERNELS = (
    _attention_kernel.attention_kernel,
    _quantize_kernels.quantize_kernel,
    _quantize_kernels.mean_kernel,
    quant_per_thread.quant_query_per_thread_int8_kernel,
    quant_per_thread.quant_key_per_thread_int8_kernel,
)


class Driver:
    """What a launch asks its driver for before it loads anything."""

    def __init__(self, sm: int) -> None:
        self.sm = sm

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.sm, 32)


def prepare(sm: int, folder: Path, report: Callable[[Any], None]) -> None:
    """Makes every launch of this process compile for an SM, report what came of it, and do nothing else."""
    os.environ["TRITON_CACHE_DIR"] = str(folder)
    triton.runtime.driver.set_active(Driver(sm))
    score = triton.language.float16 if sm < 80 else triton.language.int8
    _launch._score_type = lambda device: score
    for kernel in KERNELS:
        kernel.run = _stopped(kernel.run, report)


def _stopped(run: Any, report: Callable[[Any], None]) -> Any:
    def stopped(*args: Any, **keywords: Any) -> None:
        report(run(*args, **{**keywords, "warmup": True}))

    return stopped


def stack(kernel: Any, folder: Path) -> int:
    """Bytes of stack that each thread of a compiled kernel takes."""
    cubin = folder / "kernel.cubin"
    cubin.write_bytes(kernel.asm["cubin"])
    program = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    command = [str(program), "-res-usage", str(cubin)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    usage = dict(re.findall(r"(STACK|LOCAL):(\d+)", text))
    return int(usage["STACK"]) + int(usage["LOCAL"])


def dense(head_dim: int, causal: int, dtype: torch.dtype, mask: torch.dtype | None = None) -> None:
    """Quantises and attends."""
    q = torch.zeros(2, 4, 256, head_dim, dtype=dtype)
    given = None if mask is None else torch.zeros(256, 256, dtype=mask)
    attention(q, q[:, :2], q[:, :2], False, causal, 0.1, True, given, return_lse=True)


def varlen(head_dim: int) -> None:
    """The same for two sequences, whose keys' mean is taken too."""
    q, starts = torch.zeros(256, 4, head_dim, dtype=torch.float16), torch.tensor([0, 128, 256])
    attention_varlen(q, q, q, starts, starts, 128, 128, 1, 0.1, True)


def per_thread() -> None:
    """The quantisers per thread, and those that other projects launch by themselves."""
    q = torch.zeros(2, 4, 256, 128, dtype=torch.float16)
    q_int8, scale, _, _ = quant_per_thread.per_thread_int8(q, q)
    for kernel in KERNELS[-2:]:
        strides = (*q.stride()[:3], *q.stride()[:3], *scale.stride()[:2])
        kernel[(1, 1, 1)](q, q_int8, scale, 256, *strides, C=128, BLK=64)


CASES: dict[str, Callable[[], None]] = {
    "64": lambda: dense(64, 0, torch.float16),
    "64 float mask": lambda: dense(64, 0, torch.float16, torch.float32),
    "80 varlen": lambda: varlen(80),
    "128 causal": lambda: dense(128, 2, torch.float16),
    "128 bool mask": lambda: dense(128, 1, torch.float16, torch.bool),
    "256": lambda: dense(256, 0, torch.float16),
    "256 float mask": lambda: dense(256, 0, torch.float16, torch.float16),
    "per thread": per_thread,
    "64 bfloat16": lambda: dense(64, 1, torch.bfloat16),
    "128 bfloat16": lambda: dense(128, 0, torch.bfloat16),
    "256 bfloat16": lambda: dense(256, 2, torch.bfloat16),
}


def main() -> None:
    sm, folder, names = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    case = ""

    def report(kernel: Any) -> None:
        facts = {"shared": kernel.metadata.shared, "stack": stack(kernel, folder)}
        print(json.dumps({"case": case, "kernel": kernel.metadata.name, **facts}), flush=True)

    prepare(sm, folder, report)
    for case in names or [name for name in CASES if sm >= 80 or "bfloat16" not in name]:
        CASES[case]()


if __name__ == "__main__":
    main()
