"""Importing needs torch and nothing else, and says what is missing without it."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sageattention
from sageattention import quant


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter, from a folder that holds no sources."""
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=300,
    )


def test_imports_quietly_in_a_fresh_interpreter() -> None:
    code = "import torch, warnings; warnings.simplefilter('error'); import sageattention"
    result = run_python(code + "; print(sageattention.__version__)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == sageattention.__version__


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_import_opens_no_library() -> None:
    result = run_python(
        "import sageattention; print('sageattn.so' in open('/proc/self/maps').read())"
    )
    assert result.stdout.strip() == "False", result.stderr


def test_without_torch_says_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; import sageattention"
    result = run_python(code)
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: sageattention needs PyTorch: pip install 'torch"), last


def test_a_broken_torch_keeps_its_own_error() -> None:
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch': raise OSError('libcudart.so.12: cannot open shared object file')\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import sageattention\n"
    )
    last = run_python(code).stderr.strip().splitlines()[-1]
    assert last == "OSError: libcudart.so.12: cannot open shared object file"


COMMON = "q k v tensor_layout='HND' is_causal=False "
SIGNATURES = {
    "sageattn": COMMON + "sm_scale=None return_lse=False",
    "sageattn_qk_int8_pv_fp16_cuda": COMMON
    + "qk_quant_gran='per_thread' sm_scale=None pv_accum_dtype='fp32' smooth_k=True smooth_v=False"
    " return_lse=False",
    "sageattn_qk_int8_pv_fp8_cuda": COMMON
    + "qk_quant_gran='per_thread' sm_scale=None pv_accum_dtype='fp32+fp16' smooth_k=True"
    " smooth_v=False return_lse=False",
    "sageattn_qk_int8_pv_fp8_cuda_sm90": COMMON
    + "qk_quant_gran='per_thread' sm_scale=None pv_accum_dtype='fp32+fp32' smooth_k=True"
    " return_lse=False",
    "sageattn_qk_int8_pv_fp16_triton": "q k v tensor_layout='HND' quantization_backend='triton'"
    " is_causal=False attn_mask=None sm_scale=None smooth_k=True return_lse=False",
    "sageattn_varlen": "q k v cu_seqlens_q cu_seqlens_k max_seqlen_q max_seqlen_k is_causal=False"
    " sm_scale=None smooth_k=True",
}


@pytest.mark.parametrize("name", [*SIGNATURES])
def test_signature_is_that_of_2_2(name: str) -> None:
    found = inspect.signature(getattr(sageattention, name)).parameters
    named = [p for p in found.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    text = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in named]
    assert " ".join(text) == SIGNATURES[name]
    assert "attn_mask" in found
    assert [p.kind for p in found.values()][-1] is inspect.Parameter.VAR_KEYWORD


QUANTISERS = {
    "per_block_int8": "q k km=None BLKQ=128 BLKK=64 sm_scale=None tensor_layout='HND'",
    "per_warp_int8": "q k km=None BLKQ=128 WARPQ=32 BLKK=64 tensor_layout='HND'",
    "per_thread_int8": "q k km=None BLKQ=128 WARPQ=32 BLKK=64 WARPK=64 sm_scale=None"
    " tensor_layout='HND'",
    "sub_mean": "v tensor_layout='HND'",
    "per_channel_fp8": "v tensor_layout='HND' scale_max=448.0 smooth_v=True",
}


@pytest.mark.parametrize("name", [*QUANTISERS])
def test_quantisers_have_the_signatures_of_2_2(name: str) -> None:
    found = inspect.signature(getattr(quant, name)).parameters.values()
    text = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in found]
    assert " ".join(text) == QUANTISERS[name]


def test_all_names_exist() -> None:
    assert set(sageattention.__all__) <= set(dir(sageattention))
