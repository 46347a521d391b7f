"""What programs get through sageattention.integrations: attention as good as by the public function, or torch's own.

PyTorch's registry is the real one, from torch 2.10 on. The functions for diffusers, transformers and
ComfyUI are called as those programs call them; the programs themselves run in tests/installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import gpu
from support.accuracy import compare
from support.cases import Case, inputs
from torch.nn.attention import SDPBackend, sdpa_kernel

from sageattention.integrations import comfyui, diffusers, transformers
from sageattention.integrations import torch as sage

gpu.require()

ATTENTION: Any = torch.nn.attention
needs_registry = pytest.mark.skipif(
    not hasattr(ATTENTION, "restore_flash_attention_impl"),
    reason="torch 2.11 is the first whose registry gives the original back",
)
DTYPES = [torch.float16, torch.bfloat16]


@pytest.fixture
def active() -> Iterator[None]:
    sage.register()
    ATTENTION.activate_flash_attention_impl(sage.NAME)
    yield
    ATTENTION.restore_flash_attention_impl()


def flash(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return F.scaled_dot_product_attention(*tensors, **options)


def exact(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
    """In float32, without a fused kernel."""
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(*(x.float() for x in tensors), **options)


def served_here(found: torch.Tensor, reference: torch.Tensor, original: torch.Tensor) -> None:
    """Good, and not the bits of torch's own kernel: that one did not run."""
    assert compare(found, reference).good(0.05), compare(found, reference)
    assert not torch.equal(found, original)


@needs_registry
@pytest.mark.parametrize("nhd", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("head_dim", [64, 68, 128])
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_sdpa(dtype: torch.dtype, head_dim: int, causal: bool, nhd: bool) -> None:
    """68 is no multiple of 8: torch pads the tensors and gives the scale itself."""
    q, k, v = inputs(Case(2, 4, 4, 300, 300, head_dim, dtype), seed=1)
    if nhd:
        q, k, v = (x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v))
    original = flash(q, k, v, is_causal=causal)
    sage.register()
    ATTENTION.activate_flash_attention_impl(sage.NAME)
    try:
        found = flash(q, k, v, is_causal=causal)
    finally:
        ATTENTION.restore_flash_attention_impl()
    served_here(found, exact(q, k, v, is_causal=causal), original)
    assert found.stride() == original.stride()
    assert torch.equal(flash(q, k, v, is_causal=causal), original), "torch's kernel is not back"


@needs_registry
def test_torch_unlike_lengths_and_scale(active: None) -> None:
    q, k, v = inputs(Case(1, 4, 4, 70, 500, 64), seed=2)
    found = flash(q, k, v, scale=0.2)
    assert compare(found, exact(q, k, v, scale=0.2)).good(0.05)


@needs_registry
def test_torch_lse(active: None) -> None:
    q, k, v = inputs(Case(2, 4, 4, 200, 200, 128), seed=3)
    lse = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[1]
    scores = q.double() @ k.double().transpose(-1, -2) * q.shape[-1] ** -0.5
    assert (lse.dtype, lse.shape) == (torch.float32, q.shape[:3])
    torch.testing.assert_close(lse.double(), scores.logsumexp(-1), atol=0.02, rtol=0.01)


@needs_registry
def test_torch_compiled(active: None) -> None:
    """Inductor asserts the strides that it planned with."""

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        query, key, value = [x.unflatten(-1, (4, 64)).transpose(1, 2) for x in (q * 1.0, k, v)]
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2) + 1

    q, k, v = (torch.randn(2, 300, 256, device="cuda", dtype=torch.float16) for _ in "qkv")
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION), torch.no_grad():
        found = torch.compile(attend, fullgraph=True)(q, k, v)
    expected = attend(q.float(), k.float(), v.float())
    assert compare(found - 1, expected - 1).good(0.05)


@needs_registry
@pytest.mark.parametrize("what", ["gradient", "dropout"])
def test_torch_keeps_what_it_alone_can_do(what: str) -> None:
    q, k, v = inputs(Case(1, 4, 4, 200, 200, 64), seed=4)
    options = {"dropout_p": 0.5} if what == "dropout" else {}

    def run() -> list[torch.Tensor]:
        torch.manual_seed(0)
        leaves = [x.detach().clone().requires_grad_(what == "gradient") for x in (q, k, v)]
        output = flash(*leaves, **options)
        if what == "gradient":
            output.square().sum().backward()
        return [output.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    original = run()
    sage.register()
    ATTENTION.activate_flash_attention_impl(sage.NAME)
    try:
        found = run()
    finally:
        ATTENTION.restore_flash_attention_impl()
    assert len(found) == (4 if what == "gradient" else 1)
    for mine, theirs in zip(found, original):
        torch.testing.assert_close(mine, theirs)


FORWARD = "_flash_attention_forward"


def packed(lengths: list[int], dtype: torch.dtype) -> tuple[Any, ...]:
    total, starts = sum(lengths), torch.tensor([0, *lengths]).cumsum(0)
    tensors = (torch.randn(total, 4, 64, device="cuda", dtype=dtype) for _ in "qkv")
    return (*tensors, starts.to("cuda", torch.int32), max(lengths))


@needs_registry
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_varlen(active: None, dtype: torch.dtype, causal: bool) -> None:
    """What torch.nn.attention.varlen calls: sequences behind each other, and the LSE [heads, rows]."""
    lengths = [130, 7, 300]
    q, k, v, starts, longest = packed(lengths, dtype)
    operator = getattr(torch.ops.aten, FORWARD)
    output, lse, *_ = operator(
        q, k, v, starts, starts, longest, longest, 0.0, causal, return_debug_mask=False
    )
    assert (output.shape, lse.shape) == (q.shape, (4, sum(lengths)))
    bounds = starts.tolist()
    for first, last in zip(bounds, bounds[1:]):
        rows = [x[first:last].transpose(0, 1)[None] for x in (q, k, v)]
        found = output[first:last].transpose(0, 1)[None]
        assert compare(found, exact(*rows, is_causal=causal)).good(0.05)


@needs_registry
def test_torch_window_is_torchs(active: None) -> None:
    q, k, v, starts, longest = packed([200, 100], torch.float16)
    operator = getattr(torch.ops.aten, FORWARD)
    arguments = (q, k, v, starts, starts, longest, longest, 0.0, False, False)
    found = operator(*arguments, window_size_left=16, window_size_right=16)[0]
    ATTENTION.restore_flash_attention_impl()
    original = operator(*arguments, window_size_left=16, window_size_right=16)[0]
    ATTENTION.activate_flash_attention_impl(sage.NAME)
    assert torch.equal(found, original)


@pytest.mark.parametrize("mask", ["none", "padding", "full", "bias"])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_diffusers_function(mask: str, key_heads: int) -> None:
    q, k, v = inputs(Case(2, 4, key_heads, 200, 150, 64, torch.bfloat16), seed=5)
    masks = {
        "none": None,
        "padding": torch.arange(150, device="cuda") < torch.tensor([[150], [90]], device="cuda"),
        "full": torch.rand(2, 1, 200, 150, device="cuda") > 0.3,
        "bias": torch.randn(2, 4, 200, 150, device="cuda", dtype=torch.bfloat16),
    }
    given = masks[mask]
    nhd = [x.transpose(1, 2) for x in (q, k, v)]
    found = diffusers._attention(*nhd, attn_mask=given, enable_gqa=key_heads != 4).transpose(1, 2)
    seen = given[:, None, None] if mask == "padding" and given is not None else given
    groups = 4 // key_heads
    repeated = (x.repeat_interleave(groups, 1) for x in (k, v))
    added = None if seen is None or seen.dtype == torch.bool else seen.float()
    expected = exact(q, *repeated, attn_mask=seen if added is None else added)
    assert compare(found, expected).good(0.05), compare(found, expected)


@pytest.mark.parametrize("masked", [False, True])
def test_transformers_function(masked: bool) -> None:
    q, k, v = inputs(Case(2, 8, 2, 180, 180, 64), seed=6)
    causal = torch.ones(180, 180, dtype=torch.bool, device="cuda").tril()
    seen = causal & (torch.arange(180, device="cuda") > 20)
    seen[:, 0] = True  # no row without a key
    module: Any = SimpleNamespace(is_causal=True)
    output, weights = transformers.attention(
        module, q, k, v, seen[None, None] if masked else None, scaling=0.15
    )
    repeated = (x.repeat_interleave(4, 1) for x in (k, v))
    expected = exact(q, *repeated, attn_mask=seen if masked else causal, scale=0.15)
    assert weights is None and output.is_contiguous()
    assert compare(output.transpose(1, 2), expected).good(0.05)


@pytest.mark.parametrize("split", [False, True])
def test_comfyui_function(split: bool) -> None:
    q, k, v = inputs(Case(2, 4, 4, 200, 150, 64, torch.bfloat16), seed=7)
    bias = torch.randn(2, 200, 150, device="cuda", dtype=torch.bfloat16)
    given = [q, k, v] if split else [x.transpose(1, 2).flatten(2) for x in (q, k, v)]
    found = comfyui.attention(*given, 4, mask=bias, skip_reshape=split, skip_output_reshape=True)
    expected = exact(q, k, v, attn_mask=bias[:, None].float())
    assert compare(found, expected).good(0.05), compare(found, expected)
