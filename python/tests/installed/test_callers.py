"""Every known caller's way of calling is accepted: with fake tensors, in one graph too."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from importlib import metadata

import pytest
import torch
from support.callers import CALLERS, kjnodes_patch_fp8
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention


@pytest.mark.parametrize("caller", [*CALLERS])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_caller(caller: str, dtype: torch.dtype) -> None:
    with FakeTensorMode():
        q, k, v = (torch.empty(2, 4, 200, 64, dtype=dtype, device="cuda") for _ in "qkv")
        output = CALLERS[caller](q, k, v)
    assert (output.shape, output.dtype, output.device) == (q.shape, dtype, q.device)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_memory_efficient_patch_of_kjnodes_with_e4m3_values(dtype: torch.dtype) -> None:
    with FakeTensorMode():
        q, k, v = (torch.empty(2, 4, 200, 64, dtype=dtype, device="cuda") for _ in "qkv")
        assert kjnodes_patch_fp8(q, k, v).shape == q.shape


def test_the_version_passes_the_gate_of_diffusers(distribution: metadata.Distribution) -> None:
    """It asks importlib.metadata for at least 2.1.1 and imports the six names at once."""
    assert tuple(map(int, distribution.version.split("+")[0].split("."))) >= (2, 1, 1)
    assert distribution.version == sageattention.__version__
    assert len([name for name in sageattention.__all__ if name.startswith("sageattn")]) == 6


MODULES = ("_fused", "_qattn_sm80", "_qattn_sm89", "_qattn_sm90", "core", "quant")


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_2_2_are_attributes_too(name: str) -> None:
    module = importlib.import_module(f"sageattention.{name}")
    assert getattr(sageattention, name) is module


def test_without_triton_its_names_say_so() -> None:
    code = "import sys; sys.modules['triton'] = None; from sageattention.core import attn_false"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
    last = result.stderr.strip().splitlines()[-1]
    assert "ModuleNotFoundError" in last and "triton" in last


def test_names_that_callers_import() -> None:
    from sageattention import core, quant
    from sageattention.core import (
        get_cuda_arch_versions,
        per_block_int8_cuda,
        per_channel_fp8,
        per_warp_int8_cuda,
        sm80_compile,
        sm89_compile,
        sm90_compile,
        sub_mean,
    )

    assert get_cuda_arch_versions() == [] or torch.cuda.is_available()
    assert per_block_int8_cuda is quant.per_block_int8
    assert per_warp_int8_cuda is quant.per_warp_int8
    assert per_channel_fp8 is quant.per_channel_fp8
    assert sub_mean is quant.sub_mean
    assert callable(sm80_compile.qk_int8_sv_f16_accum_f32_attn)
    assert callable(sm89_compile.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf)
    assert callable(sm90_compile.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        core.nothing  # noqa: B018


TRITON_NAMES = (
    "per_block_int8_triton",
    "per_block_int8_varlen_triton",
    "per_thread_int8_triton",
    "attn_false",
    "attn_true",
    "attn_false_varlen",
    "attn_true_varlen",
)


@pytest.mark.parametrize("name", TRITON_NAMES)
def test_triton_names(name: str) -> None:
    from sageattention import core

    pytest.importorskip("triton")
    assert callable(getattr(core, name))


def test_version_of_cuda() -> None:
    from sageattention.core import get_cuda_version

    if torch.version.cuda is None:
        with pytest.raises(RuntimeError, match="built without CUDA"):
            get_cuda_version()
    else:
        assert get_cuda_version() == tuple(map(int, torch.version.cuda.split(".")[:2]))


def test_flags_tell_what_the_wheel_holds(distribution: object) -> None:
    from sageattention.core import SM80_ENABLED, SM89_ENABLED, SM90_ENABLED

    assert SM80_ENABLED
    assert SM89_ENABLED == SM90_ENABLED


DENSE = "q k v q_scale k_scale tensor_layout='HND' "
VARLEN = (
    "q k v cu_seqlens_q cu_seqlens_k max_seqlen_q q_scale k_scale cu_seqlens_q_scale"
    " cu_seqlens_k_scale output_dtype=torch.float16"
)
TRITON_SIGNATURES = {
    "attn_qk_int8_per_block": DENSE + "attn_mask=None output_dtype=torch.float16 return_lse=False",
    "attn_qk_int8_per_block_causal": DENSE + "output_dtype=torch.float16 return_lse=False",
    "attn_qk_int8_block_varlen": VARLEN,
    "attn_qk_int8_per_block_causal_varlen": VARLEN,
}


@pytest.mark.parametrize("name", [*TRITON_SIGNATURES])
def test_triton_modules_have_the_signatures_of_2_2(name: str) -> None:
    pytest.importorskip("triton")
    forward = importlib.import_module(f"sageattention.triton.{name}").forward
    found = inspect.signature(forward).parameters.values()
    named = [p for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
    text = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in named]
    assert " ".join(text) == TRITON_SIGNATURES[name]
