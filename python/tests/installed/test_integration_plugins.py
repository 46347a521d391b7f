"""The plugins of the wheel: found by entry points, and registered with the interfaces that their programs publish.

The programs ask for hundreds of megabytes of other packages, so that stand-ins have their place here:

vllm-omni 0.30.0: vllm_omni/plugins/__init__.py (the group vllm_omni.general_plugins, lines 14 and 61 to 78),
vllm_omni/diffusion/attention/backends/registry.py (register_diffusion_backend), and sage_attn.py beside it.
sglang 0.5.23: sglang/multimodal_gen/runtime/platforms/plugins.py (the group sglang.multimodal_gen.plugins),
sglang/srt/plugins/hook_registry.py, sglang/multimodal_gen/runtime/layers/attention/backends/sage_attn.py.

scripts/check-plugins.py tries the real ones, where they are installed.
"""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from support.recorded import recorded
from torch._subclasses.fake_tensor import FakeTensorMode

GROUPS = {
    "vllm_omni.general_plugins": "sageattention.integrations.vllm_omni:register",
    "sglang.multimodal_gen.plugins": "sageattention.integrations.sglang:register",
}
VLLM_OMNI = "vllm_omni.diffusion.attention.backends"
SGLANG = "sglang.multimodal_gen.runtime"


class Backend:
    """What both programs have: a class without masks, for some head dims."""


class Impl:
    """One layer of either program."""

    def __init__(self, **options: Any) -> None:
        self.causal, self.softmax_scale = False, 0.125
        self.packed_trailing_padding = options.get("packed_trailing_padding", False)

    def forward_varlen(self, query: torch.Tensor, *_: Any, **__: Any) -> str:
        return "theirs"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts modules with these contents where imports find them, the packages above them too."""

    def add(name: str, **contents: Any) -> ModuleType:
        parent, _, leaf = name.rpartition(".")
        if name in sys.modules:
            module = sys.modules[name]
        else:
            module = ModuleType(name)
            monkeypatch.setitem(sys.modules, name, module)
        for key, value in contents.items():
            monkeypatch.setattr(module, key, value, raising=False)
        if parent:
            add(parent, **{leaf: module})
        return module

    yield add
    for name in ("_vllm_omni_backend", "_sglang_backend"):
        sys.modules.pop(f"sageattention.integrations.{name}", None)


def resolved(path: str) -> Any:
    """The object that "package.module.Class" names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("group", [*GROUPS])
def test_programs_find_the_plugins(distribution: metadata.Distribution, group: str) -> None:
    points = [point for point in distribution.entry_points if point.group == group]
    assert [(point.name, point.value) for point in points] == [("sageattention", GROUPS[group])]
    assert callable(points[0].load())


def tensors(*sizes: int) -> list[torch.Tensor]:
    return [torch.empty(*sizes, dtype=torch.float16, device="cuda") for _ in "qkv"]


def test_vllm_omni(modules: Any) -> None:
    registered: dict[str, str] = {}
    modules(
        f"{VLLM_OMNI}.registry",
        DiffusionAttentionBackendEnum=SimpleNamespace(SAGE_ATTN="SAGE_ATTN"),
        register_diffusion_backend=registered.__setitem__,
    )
    modules(f"{VLLM_OMNI}.sage_attn", SageAttentionBackend=Backend, SageAttentionImpl=Impl)
    from sageattention.integrations import vllm_omni

    vllm_omni.register()
    vllm_omni.register()  # their documentation: plugins may be loaded several times
    backend = resolved(registered["SAGE_ATTN"])
    assert backend.supports_attention_mask() and 256 in backend.get_supported_head_sizes()
    with FakeTensorMode(), recorded() as operators:
        for mask in (None, (2, 100), (2, 1, 100, 100)):
            seen = None if mask is None else torch.ones(mask, dtype=torch.bool, device="cuda")
            layer = backend.get_impl_cls()()
            output = layer.forward_cuda(*tensors(2, 100, 4, 64), SimpleNamespace(attn_mask=seen))
            assert output.shape == (2, 100, 4, 64)
        layer.forward_cuda(*tensors(2, 100, 4, 64))
    assert operators == ["sageattention.forward"] * 4


def hook_of_sglang(modules: Any, implementation: str = "") -> Any:
    """What register() hooks, called with what SGLang's own resolver found."""
    hooks: dict[str, Any] = {}

    def register(target: str, hook: Any, kind: str) -> None:
        assert kind == "after"
        hooks[target] = hook

    modules(
        f"{SGLANG}.platforms.plugins",
        HookRegistry=SimpleNamespace(register=register),
        HookType=SimpleNamespace(AFTER="after"),
    )
    setting = SimpleNamespace(get=lambda: implementation)
    modules(
        "sglang.srt.environ", envs=SimpleNamespace(SGLANG_USE_SAGE_ATTENTION_IMPL=setting)
    )
    from sageattention.integrations import sglang

    sglang.register()
    (hook,) = hooks.values()
    return hook


THEIRS = f"{SGLANG}.layers.attention.backends.sage_attn.SageAttentionBackend"


def test_sglang(modules: Any) -> None:
    modules(
        f"{SGLANG}.layers.attention.backends.sage_attn",
        SageAttentionBackend=Backend, SageAttentionImpl=Impl,
    )  # fmt: skip
    backend = resolved(hook_of_sglang(modules)(THEIRS, "cls", "platform"))
    assert 256 in backend.get_supported_head_sizes()
    layer = backend.get_impl_cls()
    with FakeTensorMode(), recorded() as operators:
        output, lse = layer().forward(*tensors(2, 100, 4, 64), None, return_softmax_lse=True)
        assert (output.shape, lse.shape) == ((2, 100, 4, 64), (2, 4, 100))
        assert layer().forward(*tensors(2, 100, 4, 64), None).shape == (2, 100, 4, 64)
        lengths = {
            "cu_seqlens": torch.empty(3, dtype=torch.int32, device="cuda"),
            "max_seqlen": 60,
            "cu_seqlens_host": (0, 40, 100),
        }
        packed = tensors(100, 4, 64)
        assert layer().forward_varlen(*packed, **lengths).shape == (100, 4, 64)
        padded = layer(packed_trailing_padding=True)
        assert padded.forward_varlen(*packed, **lengths) == "theirs"
    assert operators == ["sageattention.forward"] * 2 + ["sageattention.forward_varlen"]


def test_other_choices_of_sglang_stay(modules: Any) -> None:
    assert hook_of_sglang(modules)("FA", "cls", "platform") is None
    assert hook_of_sglang(modules, "trtllm_gen")(THEIRS, "cls", "platform") is None
