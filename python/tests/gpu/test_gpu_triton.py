"""The Triton kernels compiled for this GPU: accuracy, the bits of the quantisers, no sync."""

from __future__ import annotations

import pytest
import torch
from support import gpu
from support.accuracy import compare

gpu.require()

from sageattention import _abi, _triton, reference
from sageattention._call import Request

if why := _triton.why_not(torch.cuda.get_device_capability(), Request(bfloat16=True)):
    pytest.skip(why, allow_module_level=True)

from sageattention.triton import quant_per_block, quant_per_thread
from sageattention.triton._attention import attention, attention_varlen

Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(heads: int, rows: int, keys: int, head_dim: int, dtype: torch.dtype) -> Tensors:
    generator = torch.Generator("cuda").manual_seed(0)
    shapes = [(2, heads * 2, rows), (2, heads, keys), (2, heads, keys)]
    q, k, v = (
        torch.randn((*shape, head_dim), generator=generator, device="cuda").to(dtype)
        for shape in shapes
    )
    return q, k + 2, v


def expected(
    tensors: Tensors, causal: int, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    q, k, v = (x.double() for x in tensors)
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    if causal:
        shift = k.shape[2] - q.shape[2] if causal == 2 else 0
        seen = torch.ones(scores.shape[2:], device="cuda").tril(shift).bool()
        scores = scores.masked_fill(~seen, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0) @ v, scores.logsumexp(-1)


@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("head_dim", [64, 96, 128, 256])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(head_dim: int, causal: int, masked: bool) -> None:
    dtype = torch.bfloat16 if causal else torch.float16
    tensors = inputs(2, 300, 200, head_dim, dtype)
    mask = torch.randn(300, 200, device="cuda") if masked else None
    output, lse = attention(*tensors, False, causal, head_dim**-0.5, True, mask, True)
    wanted, wanted_lse = expected(tensors, causal, mask)
    blind = wanted_lse == float("-inf")
    assert torch.equal(lse == float("-inf"), blind)
    assert not output[blind].any()
    assert (lse - wanted_lse)[~blind].abs().max() < 0.1
    assert compare(output, wanted).good(), compare(output, wanted)


@pytest.mark.parametrize("head_dim", [64, 96, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_quantisers_give_the_bits_of_the_reference(head_dim: int, dtype: torch.dtype) -> None:
    q, k, _ = inputs(3, 1000, 777, head_dim, dtype)
    mean = k.mean(2, dtype=torch.float32)
    found = quant_per_thread.per_thread_int8(q, k, mean)
    wanted = (
        *reference.quantize(q, _abi.QUERY, _abi.PER_THREAD),
        *reference.quantize(k, _abi.KEY, _abi.PER_THREAD, mean),
    )
    assert all(torch.equal(a, b) for a, b in zip(found, wanted))
    found = quant_per_block.per_block_int8(q, k, mean)
    wanted = reference.quantize(k, _abi.KEY, _abi.PER_BLOCK, mean)
    assert torch.equal(found[2], wanted[0]) and torch.equal(found[3], wanted[1])
    assert torch.equal(found[0], reference.quantize(q, _abi.QUERY, _abi.PER_BLOCK)[0])


@pytest.mark.parametrize("causal", [0, 1, 2])
def test_varlen_does_not_wait_for_the_gpu(causal: int) -> None:
    lengths, key_lengths = [5, 0, 200, 64], [70, 3, 130, 0]
    q, k, v = (x[0].transpose(0, 1) for x in inputs(2, 269, 203, 128, torch.float16))
    starts = [
        torch.tensor([0, *x], dtype=torch.int32).cumsum(0).int().cuda()
        for x in (lengths, key_lengths)
    ]
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        output = attention_varlen(q, k, v, *starts, 200, 130, causal, 128**-0.5, True)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    row = key = 0
    for rows, keys in zip(lengths, key_lengths):
        one = (q[row : row + rows], k[key : key + keys], v[key : key + keys])
        views = tuple(x.transpose(0, 1)[None] for x in one)
        wanted, _ = expected(views, causal, None)  # type: ignore[arg-type]
        found = output[row : row + rows].transpose(0, 1)[None]
        if wanted.any():
            assert compare(found, wanted).good(), compare(found, wanted)
        else:
            assert not found.any()
        row, key = row + rows, key + keys


def test_large_values_do_not_overflow() -> None:
    q, k, v = inputs(1, 64, 4096, 64, torch.float16)
    output, _ = attention(q, k, torch.full_like(v, 60000.0), False, 0, 0.01, True)
    assert (output - 60000.0).abs().max() <= 32


def test_rows_beyond_2_to_the_31_elements() -> None:
    """Views of one tensor with strides so large that 32-bit offsets would wrap."""
    rows, stride = 300, 2**23
    if torch.cuda.mem_get_info()[0] < 3 * rows * stride:
        pytest.skip("too little GPU memory")
    base = torch.empty(rows * stride, dtype=torch.float16, device="cuda")
    tensors = tuple(x[:1, :1] for x in inputs(1, rows, rows, 64, torch.float16))
    views = []
    for index, tensor in enumerate(tensors):
        view = base.as_strided((1, 1, rows, 64), (0, 0, stride, 1), index * 64)
        views.append(view.copy_(tensor))
    found = attention(views[0], views[1], views[2], False, 0, 0.125, True)[0]
    assert torch.equal(found, attention(*tensors, False, 0, 0.125, True)[0])
