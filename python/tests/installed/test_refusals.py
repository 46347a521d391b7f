"""Tensors that kernels would read as something else are refused: eager, compiled, and under python -O."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support import refusals
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention
from sageattention import _fused
from sageattention._errors import InputError


@pytest.mark.parametrize("name", [*refusals.REFUSED])
def test_is_refused(name: str) -> None:
    with FakeTensorMode(), pytest.raises(ValueError, match="(?i)dtype|float|int|must be"):
        refusals.REFUSED[name]()


@pytest.mark.parametrize(
    "function", [refusals.forward, refusals.forward_varlen, refusals.attention]
)
def test_the_same_call_without_the_fault_is_not(function: Any) -> None:
    with FakeTensorMode():
        function(*(() if function is refusals.attention else refusals.SAME))
        for kernel in (*refusals._qattn.SM80, *refusals._qattn.SM89, *refusals._qattn.SM90):
            if kernel.blocks is None:
                refusals.of_2_2(kernel)
        refusals.varlen(*refusals.SAME, mask=torch.bool)
        refusals.quantise("per_warp_int8", refusals.HALF, refusals.HALF, refusals.BFLOAT)


@pytest.mark.parametrize("rest", [(), (64,), (0.5, 64, 1, 0)], ids=len)
def test_a_wrong_number_of_arguments_is_a_type_error(rest: tuple[float, ...]) -> None:
    """As of the other functions of 2.2's extensions, which have a signature each."""
    x, scale = torch.empty(1, 2, 8, 64, dtype=torch.float16), torch.empty(1, 2, 1)
    text = rf"quant_per_block_int8_cuda\(\) takes .*block_size.*: 5 or 6 arguments, got {3 + len(rest)}"
    with pytest.raises(TypeError, match=text):
        _fused.quant_per_block_int8_cuda(x, x, scale, *rest)


def test_optimised_python_refuses_as_much() -> None:
    code = (
        "import sys; from support import refusals\n"
        "print(sys.flags.optimize, len(refusals.REFUSED), refusals.computed())"
    )
    tests = str(Path(refusals.__file__).parents[1])
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    result = subprocess.run(
        [sys.executable, "-O", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert result.stdout == f"1 {len(refusals.REFUSED)} []\n", result.stdout + result.stderr


def test_the_package_asserts_nothing() -> None:
    folder = Path(str(sageattention.__file__)).parent
    found = [
        f"{path.relative_to(folder)}:{node.lineno}"
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_one_class_for_every_handler() -> None:
    assert issubclass(InputError, AssertionError)
    assert issubclass(InputError, ValueError)
    with FakeTensorMode(), pytest.raises(InputError, match="the same dtype"):
        refusals.dense("sageattn", *refusals.UNLIKE["key"])
    with FakeTensorMode(), pytest.raises(InputError, match="the same dtype"):
        refusals.forward(*refusals.UNLIKE["key"])


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        *(("dense", fault) for fault in ("query", "value", "mask")),
        *(("varlen", fault) for fault in ("key", "mask", "starts")),
    ],
)
@pytest.mark.parametrize("fullgraph", [False, True])
def test_compiled_calls_are_refused_too(function: str, fault: str, fullgraph: bool) -> None:
    call = partial(refusals.dense, "sageattn") if function == "dense" else refusals.varlen
    dtypes, options = refusals.UNLIKE.get(fault, refusals.SAME), {}
    if fault == "mask":
        options = {"mask": torch.int32}
    if fault == "starts":
        options = {"starts": torch.float32}
    torch._dynamo.reset()
    compiled = torch.compile(partial(call, **options), fullgraph=fullgraph, backend="eager")
    text = "same dtype|bool or float|int32 or int64"
    if fullgraph:  # what is raised while a whole graph is traced, torch tells in its own words
        text += "|Observed exception"
    with FakeTensorMode(), pytest.raises(Exception, match=text):
        compiled(*dtypes)
