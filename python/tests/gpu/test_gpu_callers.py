"""Every known caller's way of calling gives attention."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import gpu, kinds
from support.accuracy import compare
from support.callers import CALLERS, kjnodes_patch_fp8
from support.cases import Case, inputs

import sageattention

gpu.require()


@pytest.mark.parametrize("caller", [*CALLERS])
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_caller(caller: str, head_dim: int, dtype: torch.dtype) -> None:
    tensors = inputs(Case(2, 4, 4, 200, 200, head_dim, dtype), seed=8)
    expected, _ = kinds.exact(*tensors)
    output = CALLERS[caller](*tensors)
    assert output.dtype == dtype
    assert compare(output, expected).good(0.05), compare(output, expected)


def test_scale_and_groups_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = inputs(Case(2, 8, 2, 150, 150, 64), seed=9)
    mask = torch.rand(150, 150, device="cuda") > 0.4
    expected = F.scaled_dot_product_attention(
        q, k.repeat_interleave(4, 1), v.repeat_interleave(4, 1), mask, scale=0.3
    )
    monkeypatch.setattr(F, "scaled_dot_product_attention", sageattention.sageattn)
    function: Any = F.scaled_dot_product_attention
    for output in (
        function(q, k, v, mask, 0.0, False, scale=0.3, enable_gqa=True),
        function(q, k, v, attn_mask=mask, scale=0.3, enable_gqa=True),
    ):
        assert compare(output, expected).good(0.05), compare(output, expected)
    causal = function(q, k, v, None, 0.0, True, scale=0.3, enable_gqa=True)
    assert compare(causal, kinds.exact(q, k, v, 1, 0.3)[0]).good(0.05)


def test_memory_efficient_patch_of_kjnodes_with_e4m3_values() -> None:
    from sageattention.core import get_cuda_arch_versions

    assert get_cuda_arch_versions()[0].startswith("sm")
    if not kinds.available("fp8", 128):
        pytest.skip("no E4M3 kernel here")
    tensors = inputs(Case(1, 4, 4, 300, 300, 128), seed=10)
    found = compare(kjnodes_patch_fp8(*tensors), kinds.exact(*tensors)[0])
    assert found.good(0.05), found


def test_triton_pieces_of_the_core_module() -> None:
    pytest.importorskip("triton")
    from sageattention.core import attn_false, per_block_int8_triton

    q, k, v = inputs(Case(1, 4, 4, 300, 300, 128), seed=10)
    q_int8, q_scale, k_int8, k_scale = per_block_int8_triton(
        q, k, km=k.mean(dim=2, keepdim=True), sm_scale=128**-0.5, tensor_layout="HND"
    )
    output, _ = attn_false(
        q_int8, k_int8, v, q_scale, k_scale, tensor_layout="HND", output_dtype=q.dtype
    )
    assert compare(output, kinds.exact(q, k, v)[0]).good()


BESIDE = """
import torch, sageattention.quant, copied_attention.quant
from support.cases import Case, inputs

q, k, v = inputs(Case(1, 4, 2, 200, 200, 64), seed=1)
outputs = [package.sageattn(q, k, v) for package in (sageattention, copied_attention)]
int8 = copied_attention.quant.per_warp_int8(q, k)[0]
assert torch.equal(int8, sageattention.quant.per_warp_int8(q, k)[0])
print(torch.equal(*outputs), copied_attention.__file__ != sageattention.__file__)
"""


def test_a_copy_under_another_name_computes_the_same(tmp_path: Path) -> None:
    source = Path(str(sageattention.__file__)).parent
    shutil.copytree(source, tmp_path / "copied_attention")
    tests = Path(__file__).parents[1]
    paths = [str(tmp_path), str(tests), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", BESIDE],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert result.stdout == "True True\n", result.stdout + result.stderr


def test_unlike_dtypes_are_refused_on_the_device() -> None:
    q, k, v = inputs(Case(1, 2, 2, 64, 64, 64), seed=1)
    forward = torch.ops.sageattention.forward
    for tensors in ((q.bfloat16(), k, v), (q, k.bfloat16(), v), (q, k, v.bfloat16())):
        with pytest.raises(AssertionError, match="the same dtype"):
            sageattention.sageattn(*tensors)
        with pytest.raises(ValueError, match="the same dtype"):
            forward(*tensors, None, False, 0, 0.1, "auto", 3, True, False)
