"""The operators of 2.2's extension modules: schemas in its order of arguments, fakes, errors."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sageattention import _qattn
from sageattention._qattn import Kernel

MODULES = {"sm80": _qattn.SM80, "sm89": _qattn.SM89, "sm90": _qattn.SM90}
KERNELS = [(sm, kernel) for sm, kernels in MODULES.items() for kernel in kernels]
HEAD = ["query", "key", "value", "output", "query_scale", "key_scale"]
TAIL = ["tensor_layout", "is_causal", "qk_quant_gran", "sm_scale", "return_lse"]


@pytest.mark.parametrize(("sm", "kernel"), KERNELS, ids=str)
def test_schema_and_modules(sm: str, kernel: Kernel) -> None:
    module = importlib.import_module(f"sageattention._qattn_{sm}")
    operator = getattr(module, kernel.name)
    wrapper = importlib.import_module(f"sageattention.{sm}_compile")
    assert getattr(wrapper, kernel.name) is operator
    assert getattr(getattr(torch.ops, kernel.namespace), kernel.name) is operator
    schema = operator.default._schema
    middle = ["value_scale"] * ("v_scale" in kernel.name) + ["value_mean"] * (
        "v_mean" in kernel.name
    )
    assert [argument.name for argument in schema.arguments] == HEAD + middle + TAIL
    written = [argument.name for argument in schema.arguments if argument.alias_info]
    assert written == ["output"]


@pytest.mark.parametrize(("sm", "kernel"), KERNELS, ids=str)
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("return_lse", [0, 1])
def test_fakes(sm: str, kernel: Kernel, layout: int, return_lse: int) -> None:
    shape = (2, 4, 100, 64) if layout else (2, 100, 4, 64)
    with FakeTensorMode():

        def empty(*size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.empty(size, dtype=dtype, device="cuda")

        q = empty(*shape, dtype=torch.int8)
        value_dtype = torch.float16 if sm == "sm80" else torch.float8_e4m3fn
        v = empty(*shape, dtype=value_dtype)
        extra = [empty(2, 4, 64)] * (kernel.scaled + kernel.smoothed)
        output = empty(*shape, dtype=torch.bfloat16)
        operator = getattr(getattr(torch.ops, kernel.namespace), kernel.name)
        arguments = (q, q, v, output, empty(2, 4, 4), empty(2, 4, 2), *extra, layout, 0, 2, 0.1)
        lse = operator(*arguments, return_lse)
        assert tuple(lse.shape) == ((2, 4, 100) if return_lse else (0,))
        assert (lse.dtype, lse.device) == (torch.float32, q.device)
        with pytest.raises(ValueError, match="value must be"):
            operator(q, q, q, *arguments[3:], return_lse)


def test_blocks_follow_from_the_number_of_scales() -> None:
    kernel = _qattn.SM80[0]
    scales = torch.empty(1, 1, 8)
    assert _qattn._blocks(kernel, scales, 130, 2).warp == 32
    assert _qattn._blocks(kernel, scales, 100, 2).warp == 16
    assert _qattn._blocks(_qattn.SM90[0], scales, 100, 2).query == 64
    with pytest.raises(ValueError, match="fits no blocks of 500 rows"):
        _qattn._blocks(kernel, scales, 500, 2)
