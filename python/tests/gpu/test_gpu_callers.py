"""Every known caller's way of calling gives attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import gpu, kinds
from support.accuracy import compare
from support.callers import CALLERS
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
        assert compare(output, expected).good(), compare(output, expected)
    causal = function(q, k, v, None, 0.0, True, scale=0.3, enable_gqa=True)
    assert compare(causal, kinds.exact(q, k, v, 1, 0.3)[0]).good(0.05)


def test_memory_efficient_patches_of_kjnodes() -> None:
    """The pieces that its patches take out of the core module, in their order."""
    from sageattention.core import (
        get_cuda_arch_versions,
        per_channel_fp8,
        per_warp_int8_cuda,
        sm80_compile,
        sm89_compile,
    )

    q, k, v = inputs(Case(1, 4, 4, 300, 300, 128), seed=10)
    assert get_cuda_arch_versions()[0].startswith("sm")
    km = k.mean(dim=2, keepdim=True)
    q_int8, q_scale, k_int8, k_scale = per_warp_int8_cuda(
        q, k, km, tensor_layout="HND", BLKQ=128, WARPQ=32, BLKK=64
    )
    expected, _ = kinds.exact(q, k, v)
    output = torch.empty_like(q)
    sm80_compile.qk_int8_sv_f16_accum_f32_attn(
        q_int8, k_int8, v, output, q_scale, k_scale, 1, 0, 2, 128**-0.5, 0
    )
    assert compare(output, expected).good(), compare(output, expected)
    if not kinds.available("fp8", 128):
        pytest.skip("no E4M3 kernel here")
    v_fp8, v_scale, _ = per_channel_fp8(v, tensor_layout="HND", smooth_v=False)
    output = torch.empty_like(q)
    sm89_compile.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf(
        q_int8, k_int8, v_fp8, output, q_scale, k_scale, v_scale, 1, 0, 2, 128**-0.5, 0
    )
    assert compare(output, expected).good(0.05), compare(output, expected)


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
