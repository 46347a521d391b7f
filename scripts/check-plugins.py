#!/usr/bin/env python3
"""Check the wheel's plugins with the programs that they are for: SGLang, vLLM-Omni, whichever is installed beside it.

    scripts/check-plugins.py [PROGRAM]      exit status 1 if a program does not come to this package

The programs' own code finds the entry points, loads the plugins and looks up the class behind their names for
SageAttention; a layer of that class then attends with fake tensors. Needs no GPU: the packages' __init__ modules, which
start engines up and import what only works on one, are left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

OURS = "sageattention.integrations."


def tensors(*sizes: int) -> list[torch.Tensor]:
    return [torch.empty(*sizes, dtype=torch.float16, device="cuda") for _ in "qkv"]


def resolved(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def sglang() -> type:
    """The class behind `--attention-backend sage_attn`, its layers tried."""
    from sglang.multimodal_gen.runtime.platforms import cuda, plugins

    plugins.load_plugins()
    plugins.apply_plugin_hooks()
    platform = SimpleNamespace(is_hopper=lambda: True)
    backend = resolved(cuda._SageAttentionBackendResolver.resolve(platform))
    layer = backend.get_impl_cls()(num_heads=4, head_size=256, causal=False, softmax_scale=0.06)
    with FakeTensorMode():
        assert layer.forward(*tensors(2, 100, 4, 256), None).shape == (2, 100, 4, 256)
        starts = torch.empty(3, dtype=torch.int32, device="cuda")
        packed = layer.forward_varlen(*tensors(100, 4, 256), cu_seqlens=starts, max_seqlen=60)
        assert packed.shape == (100, 4, 256)
    return backend


def vllm_omni() -> type:
    """The class behind `--diffusion-attention-backend SAGE_ATTN`, its layers tried."""
    from vllm_omni.diffusion.attention.backends.abstract import AttentionMetadata
    from vllm_omni.diffusion.attention.backends.registry import DiffusionAttentionBackendEnum
    from vllm_omni.plugins import load_omni_general_plugins

    load_omni_general_plugins()
    backend = DiffusionAttentionBackendEnum.SAGE_ATTN.get_class()
    assert backend.supports_attention_mask()
    layer = backend.get_impl_cls()(num_heads=4, head_size=64, softmax_scale=0.125)
    with FakeTensorMode():
        mask = torch.ones(2, 100, dtype=torch.bool, device="cuda")
        found = layer.forward_cuda(*tensors(2, 100, 4, 64), AttentionMetadata(attn_mask=mask))
        assert found.shape == (2, 100, 4, 64)
    return backend


PROGRAMS = {"sglang": sglang, "vllm_omni": vllm_omni}
# Packages whose __init__ modules are left out.
STARTED = {
    "sglang": ("sglang", "sglang.srt", "sglang.multimodal_gen"),
    "vllm_omni": tuple(
        "vllm_omni" + below
        for below in ("", ".diffusion", ".diffusion.attention", ".diffusion.attention.backends")
    ),
}


def leave_out_startup(name: str) -> None:
    """Puts an empty package, with the folder of the real one, in the place of each."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations
    top = Path(spec.submodule_search_locations[0])
    for package in STARTED[name]:
        module = ModuleType(package)
        module.__path__ = [str(top.joinpath(*package.split(".")[1:]))]
        sys.modules[package] = module


def main() -> int:
    asked = sys.argv[1:] or [*PROGRAMS]
    found = [name for name in asked if name in PROGRAMS and importlib.util.find_spec(name)]
    if not found:
        print(f"none of {', '.join(asked)} is installed", file=sys.stderr)
        return 2
    failed = False
    for name in found:
        leave_out_startup(name)
        backend = PROGRAMS[name]()
        failed |= not backend.__module__.startswith(OURS)
        print(f"{name} {metadata.version(name)}: {backend.__module__}.{backend.__qualname__}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
