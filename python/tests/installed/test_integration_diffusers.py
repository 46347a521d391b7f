"""diffusers, the real one: its dispatcher reaches this package, with fake tensors on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from support.on_cpu import OnCpu
from support.recorded import recorded
from torch._subclasses.fake_tensor import FakeTensorMode

from sageattention.integrations import diffusers as sage

pytest.importorskip("diffusers", reason="one runtime has it: EQUIPPED in scripts/lock.py")
from diffusers.models import attention_dispatch as dispatch


@pytest.fixture
def enabled() -> Iterator[None]:
    sage.enable()
    yield
    sage.disable()


def tensors(key_heads: int = 4, key_rows: int = 60) -> tuple[torch.Tensor, ...]:
    """query, key and value, [batch, rows, heads, head_dim]."""
    sizes = (2, 100, 4, 64), (2, key_rows, key_heads, 64), (2, key_rows, key_heads, 64)
    return tuple(torch.empty(size, dtype=torch.bfloat16, device="cuda") for size in sizes)


def attend(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, list[str]]:
    with dispatch.attention_backend("sage"), recorded() as operators:
        return dispatch.dispatch_attention_fn(*args, **kwargs), operators


@pytest.mark.parametrize(
    "name",
    [
        "sage",
        "_sage_qk_int8_pv_fp8_cuda",
        "_sage_qk_int8_pv_fp8_cuda_sm90",
        "_sage_qk_int8_pv_fp16_cuda",
        "_sage_qk_int8_pv_fp16_triton",
    ],
)
def test_its_own_backends_without_help(name: str, distribution: object) -> None:
    """They ask for the distribution, its version, and six names."""
    with FakeTensorMode(), dispatch.attention_backend(name), recorded() as operators:
        output = dispatch.dispatch_attention_fn(*tensors())
    assert (output.shape, operators) == ((2, 100, 4, 64), ["sageattention.forward"])


def test_its_own_backend_refuses_masks(distribution: object) -> None:
    """The reason for enable(). Where this fails, docs/integrations.md and enable() have had their day."""
    with FakeTensorMode(), pytest.raises(ValueError, match="not supported for sage"):
        attend(*tensors(), attn_mask=torch.ones(2, 1, 1, 60, dtype=torch.bool, device="cuda"))


@pytest.mark.parametrize("sizes", [(100, 60), (2, 60), (2, 1, 1, 60), (2, 4, 100, 60)])
def test_masks(enabled: None, distribution: object, sizes: tuple[int, ...]) -> None:
    with FakeTensorMode():
        mask = torch.ones(sizes, dtype=torch.bool, device="cuda")
        output, operators = attend(*tensors(), attn_mask=mask)
    assert (output.shape, operators) == ((2, 100, 4, 64), ["sageattention.forward"])


def test_grouped_heads_arrive_as_they_are(enabled: None, distribution: object) -> None:
    with FakeTensorMode():
        output, operators = attend(*tensors(key_heads=2), enable_gqa=True)
    assert (output.shape, operators) == ((2, 100, 4, 64), ["sageattention.forward"])


def test_disable_gives_the_backend_back(enabled: None) -> None:
    backends = dispatch._AttentionBackendRegistry._backends
    name = dispatch.AttentionBackendName.SAGE
    sage.enable()
    assert backends[name].__module__ == sage.__name__
    sage.disable()
    sage.disable()
    assert backends[name].__module__ == dispatch.__name__


def test_a_model_gives_what_native_attention_gives(
    enabled: None, distribution: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small transformer of pictures: padded text makes a mask in each of its blocks."""
    from diffusers import QwenImageTransformer2DModel

    on_cpu, blocks = OnCpu(), 2
    monkeypatch.setattr(sage, "sageattn", on_cpu)
    torch.manual_seed(0)
    model = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=blocks, attention_head_dim=16,
        num_attention_heads=4, joint_attention_dim=16, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    inputs = {
        "hidden_states": torch.randn(2, 16, 16),
        "encoder_hidden_states": torch.randn(2, 7, 16),
        "encoder_hidden_states_mask": torch.arange(7) < torch.tensor([[7], [4]]),
        "timestep": torch.ones(2),
        "img_shapes": [[(1, 4, 4)]] * 2,
    }
    with torch.no_grad():
        expected = model(**inputs).sample
        assert on_cpu.calls == 0
        model.set_attention_backend("sage")
        torch.testing.assert_close(model(**inputs).sample, expected)
    assert on_cpu.calls == blocks
