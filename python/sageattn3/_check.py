"""python -m sageattn3 --check: does this GPU compute what FP4 attention should? A report to paste into an issue.

One product with every choice of the lanes that scales come from, then three shapes against the same arithmetic.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator
from typing import Any

import torch

from . import _describe, _route, reference
from ._core import _library, _probe
from ._core._kernels import has, sm_text
from ._core._kinds import KINDS
from ._core._probe import Case, Tensors

SELECTORS = [(a, b) for a in range(2) for b in range(4)]
# rows, keys, head dim, causal, dtype: whole blocks, ragged lengths, more keys than rows
SHAPES = (
    (256, 512, 128, False, torch.bfloat16),
    (150, 331, 64, True, torch.float16),
    (200, 1000, 100, True, torch.bfloat16),
)
# The kernels' own means differ in their last bits, and so does a code in a thousand.
BOUND = 0.01
ROUNDING = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}


def of_device(device: torch.device) -> Iterator[Case]:
    """The cases of a GPU. Raises RuntimeError, naming the GPUs for it, if the wheel has no FP4 code for this one."""
    sm = _library.device(device.index).sm
    if not has(device.index, KINDS[_route.FP4], 128):
        raise RuntimeError(f"no FP4 code for SM {sm_text(sm)}: there is some for {' '.join(_describe.fp4_sms())}")
    calls = [(_product(device, number), _expected_product(*SELECTORS[number])) for number in range(len(SELECTORS))]
    yield Case("product, 8 selectors", sm_text(sm), "", calls, 0.0)
    for shape in SHAPES:
        rows, keys, head_dim, causal, dtype = shape
        name = f"{rows} x {keys} x {head_dim}{' causal' * causal}"
        bound = BOUND + ROUNDING[dtype]
        yield Case(name, sm_text(sm), _route.FP4, [_attention(device, *shape)], bound)


def words() -> list[list[int]]:
    """Operands of the product: any codes, and scales of which only some lanes' are asked for."""
    numbers = random.Random(0)
    scales = [0x30, 0x34, 0x38, 0x3A, 0x3C, 0x40, 0x44, 0x28]  # 0.5 to 3, exact in products of float32

    def scale() -> int:
        return sum(numbers.choice(scales) << 8 * i for i in range(4))

    return [[*(numbers.getrandbits(32) for _ in range(6)), scale(), scale()] for _ in range(32)]


def _product(device: torch.device, number: int) -> Tensors:
    def launch() -> torch.Tensor:
        values = [word - (1 << 32 if word >> 31 else 0) for lane in words() for word in lane]
        operands = torch.tensor(values, dtype=torch.int32, device=device)
        sums = torch.zeros(len(SELECTORS), 32, 4, device=device)
        stream = torch.cuda.current_stream(device).cuda_stream
        function = _library.library().sageattn_fp4_product
        pointers = ctypes.c_void_p(operands.data_ptr()), ctypes.c_void_p(sums.data_ptr())
        _library.check(function(*pointers, device.index, stream))
        return sums[number]

    return launch


def _expected_product(select_a: int, select_b: int) -> Tensors:
    return lambda: torch.tensor(reference.product(words(), select_a, select_b))


def _attention(
    device: torch.device, rows: int, keys: int, head_dim: int, causal: bool, dtype: torch.dtype
) -> tuple[Tensors, Tensors]:
    generator = torch.Generator().manual_seed(rows)
    shapes = (rows, 0.0), (keys, 1.0), (keys, 0.5)
    q, k, v = (
        (torch.randn(1, 2, count, head_dim, generator=generator) + mean).to(dtype) for count, mean in shapes
    )

    def launch() -> torch.Tensor:
        there = (x.to(device) for x in (q, k, v))
        options = (False, causal, head_dim**-0.5, True, True, False, _route.FP4)
        output: torch.Tensor = torch.ops.sageattn3.forward(*there, None, *options)[0]
        return output

    return launch, lambda: reference.attention(q, k, v, causal)[0]


def run() -> tuple[dict[str, Any], int]:
    """The report as plain data, and the exit status: 0 all right, 1 something is wrong, 3 no GPU."""
    found = _probe.collect(of_device)
    del found["sageattention"]  # the copy in _core is no distribution
    found.update(_describe.package(), proof=_describe.PROOF)
    return found, _probe.status(found)


def render(found: dict[str, Any]) -> str:
    """The report as text."""
    return f"self-test of FP4\n{_probe.render(found, 'sageattn3')}"
