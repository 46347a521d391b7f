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
        if sm == "sm80":
            v = empty(*shape, dtype=torch.float16)
        else:
            values = (2, 4, 64, 128) if layout else (2, 64, 4, 128)
            v = empty(*values, dtype=torch.float8_e4m3fn)
        extra = [empty(2, 4, 64)] * (kernel.scaled + kernel.smoothed)
        output = empty(*shape, dtype=torch.bfloat16)
        operator = getattr(getattr(torch.ops, kernel.namespace), kernel.name)
        scales = empty(2, 4, 8 if sm == "sm90" else 4), empty(2, 4, 1 if sm == "sm90" else 2)
        arguments = (q, q, v, output, *scales, *extra, layout, 0, 2, 0.1)
        lse = operator(*arguments, return_lse)
        assert tuple(lse.shape) == ((2, 4, 100) if return_lse else (0,))
        assert (lse.dtype, lse.device) == (torch.float32, q.device)
        with pytest.raises(ValueError, match="value must be"):
            operator(q, q, q, *arguments[3:], return_lse)
        fake = getattr(importlib.import_module(f"sageattention.{sm}_compile"), FAKES[kernel.name])
        assert fake(*arguments, return_lse).shape == lse.shape


# https://github.com/thu-ml/SageAttention/tree/d1a57a5/sageattention: sm80_compile.py, sm89_compile.py, sm90_compile.py
SM80_FAKE = dict.fromkeys(
    (
        "qk_int8_sv_f16_accum_f16_attn",
        "qk_int8_sv_f16_accum_f32_attn",
        "qk_int8_sv_f16_accum_f16_attn_inst_buf",
    ),
    "sm80_qk_fake_impl",
)
FAKES = {
    **{kernel.name: f"{kernel.name}_fake_impl" for _, kernel in KERNELS},
    **SM80_FAKE,
    "qk_int8_sv_f8_accum_f32_fuse_v_scale_attn": "sm89_qk_with_key_value",
    "qk_int8_sv_f8_accum_f32_fuse_v_scale_fuse_v_mean_attn": "sm89_qk_with_key_value_mean",
}


def test_the_import_by_which_sglang_looks_for_sm_9_0() -> None:
    from sageattention.sm90_compile import (
        qk_int8_sv_f8_accum_f32_attn_inst_buf_fake_impl,
        qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf_fake_impl,
    )

    assert callable(qk_int8_sv_f8_accum_f32_attn_inst_buf_fake_impl)
    assert callable(qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf_fake_impl)


def test_shapes_that_would_be_read_past_their_end_are_refused() -> None:
    def half(*shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=torch.float16, device="cuda")

    with FakeTensorMode():
        q = torch.empty(1, 2, 100, 64, dtype=torch.int8, device="cuda")
        scales = [torch.empty(1, 2, n, device="cuda") for n in (4, 2)]
        operator = torch.ops.sageattention.qk_int8_sv_f16_accum_f32_attn
        with pytest.raises(ValueError, match="key and value differ in shape"):
            operator(q, q, half(1, 2, 99, 64), half(1, 2, 100, 64), *scales, 1, 0, 2, 0.1, 0)
        scales[1] = torch.empty(1, 2, 1, device="cuda")
        with pytest.raises(ValueError, match="key_scale must be"):
            operator(q, q, half(1, 2, 100, 64), half(1, 2, 100, 64), *scales, 1, 0, 2, 0.1, 0)
        operator = torch.ops.sageattention_sm89.qk_int8_sv_f8_accum_f32_attn
        values = torch.empty(1, 2, 64, 64, dtype=torch.float8_e4m3fn, device="cuda")
        scales[1] = torch.empty(1, 2, 2, device="cuda")
        with pytest.raises(ValueError, match=r"value must be \(1, 2, 64, 128\)"):
            operator(q, q, values, half(1, 2, 100, 64), *scales, 1, 0, 2, 0.1, 0)


def test_blocks_follow_from_the_number_of_scales() -> None:
    kernel = _qattn.SM80[0]
    scales = torch.empty(1, 1, 8)
    assert _qattn._blocks(kernel, scales, 130, 2).warp == 32
    assert _qattn._blocks(kernel, scales, 100, 2).warp == 16
    assert _qattn._blocks(_qattn.SM90[0], scales, 100, 2).query == 64
    with pytest.raises(ValueError, match="fits no blocks of 500 rows"):
        _qattn._blocks(kernel, scales, 500, 2)
