"""The operators of 2.2's extension modules, and the quantisers in every block size."""

from __future__ import annotations

import importlib
import itertools

import pytest
import torch
from support import gpu, kinds
from support.accuracy import compare
from support.cases import Case, inputs, nhd

from sageattention import _abi, _fused, _qattn, quant, reference
from sageattention._qattn import Kernel
from sageattention._shapes import Blocks

gpu.require()

LOG2_E = 1.4426950408889634
KERNELS = [*_qattn.SM80, *_qattn.SM89, *_qattn.SM90]


def values_for(
    kernel: Kernel, v: torch.Tensor, layout: str
) -> tuple[torch.Tensor, list[torch.Tensor | None], torch.Tensor]:
    """Values as an operator takes them, the tensors that go behind the scales, and the values' own scale."""
    if kernel.namespace == "sageattention":
        if not kernel.smoothed:
            return v, [], v
        smooth, mean = quant.sub_mean(v, layout)
        return smooth, [mean], v
    scale_max = 2.25 if kernel.sums_float16 else 448.0
    values, scale, mean = quant.per_channel_fp8(v, layout, scale_max, kernel.smoothed)
    return values, [scale] * kernel.scaled + [mean] * kernel.smoothed, scale


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.namespace}-{k.name}")
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_attention_operators(kernel: Kernel, layout: str, head_dim: int) -> None:
    fp8 = kernel.namespace != "sageattention"
    if fp8 and not kinds.available("fp8", head_dim):
        pytest.skip("no E4M3 kernel here")
    module = importlib.import_module(
        "sageattention._qattn_" + (kernel.namespace.partition("_")[2] or "sm80")
    )
    tensors = inputs(Case(2, 4, 2, 200, 150, head_dim), seed=1)
    q, k, v = tensors if layout == "HND" else tuple(nhd(x) for x in tensors)
    values, extra, unused = values_for(kernel, v, layout)
    blocks = kernel.blocks or Blocks(warp=16 if "inst_buf" in kernel.name else 32)
    sizes = {"BLKQ": blocks.query, "WARPQ": blocks.warp, "BLKK": blocks.key}
    for granularity, causal in itertools.product((2, 3), (0, 1)):
        if granularity == 3:
            pieces = quant.per_thread_int8(q, k, WARPK=blocks.key, tensor_layout=layout, **sizes)
        else:
            pieces = quant.per_warp_int8(q, k, tensor_layout=layout, **sizes)
        q_int8, q_scale, k_int8, k_scale = pieces
        output = torch.empty_like(q)
        lse = getattr(module, kernel.name)(
            q_int8, k_int8, values, output, q_scale, k_scale, *extra,
            int(layout == "HND"), causal, granularity, head_dim**-0.5, 1,
        )  # fmt: skip
        found = output if layout == "HND" else output.transpose(1, 2)
        if fp8 and not kernel.scaled:  # the caller scales then
            found = found.float() * unused.repeat_interleave(2, 1)[:, :, None]
        expected, expected_lse = kinds.exact(*tensors, causal)
        assert compare(found, expected).good(0.06 if fp8 else 0.03), compare(found, expected)
        assert (lse.double() / LOG2_E - expected_lse).abs().mean() < (0.07 if fp8 else 0.01)


@pytest.mark.parametrize("granularity", [1, 2, 3])
@pytest.mark.parametrize(("block", "warp"), [(128, 32), (128, 16), (64, 32), (64, 16)])
@pytest.mark.parametrize("rows", [1, 65, 200])
@pytest.mark.parametrize("head_dim", [40, 64, 128, 200, 256])
def test_bits_in_every_block_size(
    granularity: int, block: int, warp: int, rows: int, head_dim: int
) -> None:
    x = inputs(Case(2, 3, 3, rows, rows, head_dim, torch.bfloat16), seed=rows)[0]
    operators, blocks = torch.ops.sageattention, Blocks(block, warp, block)
    mean = operators.mean(x, False)
    torch.testing.assert_close(mean.double(), x.double().mean(2), rtol=1e-5, atol=1e-5)
    query = operators.quantize_query(x, None, False, granularity, block, warp)[:2]
    key = operators.quantize_key(x, mean, False, granularity, block)
    for found, operand, subtracted in ((query, _abi.QUERY, None), (key, _abi.KEY, mean)):
        values, scales = reference.quantize(x, operand, granularity, subtracted, blocks)
        assert torch.equal(found[1], scales)
        assert torch.equal(found[0], values)


@pytest.mark.parametrize("rows", [1, 64, 77, 1000])
@pytest.mark.parametrize("head_dim", [40, 64, 128, 256])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale_max", [448.0, 2.25])
@pytest.mark.parametrize("layout", ["HND", "NHD"])
def test_bits_of_values(
    rows: int, head_dim: int, dtype: torch.dtype, scale_max: float, layout: str
) -> None:
    if not kinds.available("fp8", 64):
        pytest.skip("no E4M3 kernel here")
    v = inputs(Case(2, 3, 3, rows, rows, head_dim, dtype), seed=rows)[2]
    v[..., 5] = 0
    given = v if layout == "HND" else nhd(v)
    found, scale, none = quant.per_channel_fp8(given, layout, scale_max, smooth_v=False)
    values, scales, _ = reference.quantize_value(v, scale_max)
    assert none is None
    assert torch.equal(scale, scales)
    found = found if layout == "HND" else found.transpose(1, 2)
    assert torch.equal(found.contiguous().view(torch.uint8), values.view(torch.uint8))


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_smooth_values(offset: float) -> None:
    if not kinds.available("fp8", 64):
        pytest.skip("no E4M3 kernel here")
    v = inputs(Case(2, 3, 3, 1000, 1000, 64), seed=1)[2] + offset
    found, scale, mean = quant.per_channel_fp8(v)
    assert mean is not None
    back = reference.dequantize_value(found, scale, mean, 1000)
    assert compare(back - offset, v.double() - offset).relative_l1 < 0.03
    assert float((back.double().mean(2) - v.double().mean(2)).abs().max()) < 1e-4 * (1 + offset)


def test_fused_operators() -> None:
    x = inputs(Case(2, 3, 3, 200, 200, 64), seed=2)[0]
    output = torch.empty(x.shape, dtype=torch.int8, device="cuda")
    scale = torch.empty(2, 3, 4, device="cuda")
    _fused.quant_per_block_int8_cuda(x, output, scale, 64, 1)
    values, scales = reference.quantize(x, _abi.KEY, _abi.PER_BLOCK)
    assert torch.equal(output, values)
    assert torch.equal(scale, scales)
    _fused.quant_per_block_int8_cuda(x, output, scale, 0.5, 64, 1)
    assert torch.equal(scale, scales * 0.5)
    mean = x.mean(2)
    _fused.quant_per_block_int8_fuse_sub_mean_cuda(x, mean, output, scale, 64, 1)
    assert torch.equal(output, reference.quantize(x, _abi.KEY, _abi.PER_BLOCK, mean.float())[0])
    warps = torch.empty(2, 3, 8, device="cuda")
    _fused.quant_per_warp_int8_cuda(x, output, warps, 128, 32, 1)
    assert torch.equal(warps, reference.quantize(x, _abi.QUERY, _abi.PER_WARP)[1])
    smooth = torch.empty_like(x)
    _fused.sub_mean_cuda(x, mean, smooth, 1)
    torch.testing.assert_close(smooth, x - mean[:, :, None], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("tensor_layout", [0, 1])
def test_fused_values_are_those_of_the_kernel(tensor_layout: int) -> None:
    if not kinds.available("fp8", 64):
        pytest.skip("no E4M3 kernel here")
    v = inputs(Case(2, 3, 3, 100, 100, 64), seed=3)[2]
    given = v if tensor_layout else nhd(v)
    expected, expected_scale, _ = quant.per_channel_fp8(
        given, "HND" if tensor_layout else "NHD", smooth_v=False
    )
    transposed = torch.empty(expected.shape, dtype=v.dtype, device="cuda")
    _fused.transpose_pad_permute_cuda(given, transposed, tensor_layout)
    values, scale = torch.empty_like(expected), torch.empty_like(expected_scale)
    _fused.scale_fuse_quant_cuda(transposed, values, scale, 100, 448.0, tensor_layout)
    assert torch.equal(scale, expected_scale)
    torch.testing.assert_close(values.float(), expected.float(), rtol=0.13, atol=0.01)
