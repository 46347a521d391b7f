#!/usr/bin/env python3
"""Check the wheel's plugins with the programs that they are for: SGLang, vLLM-Omni, whichever is installed beside it.

    scripts/check-plugins.py [PROGRAM]      exit status 1 if a program does not come to this package

The programs' own code finds the entry points, loads the plugins and looks up the class behind their names for
SageAttention; a layer of that class then attends with fake tensors. Needs no GPU. What is not the programs' own:

SGLang      the GPU's compute capability, which is 9.0 here
vLLM-Omni   its __init__ modules, which start engines up and import what only works on a GPU: they are left out
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

OURS = "sageattention.integrations."


def tensors(*sizes: int) -> list[torch.Tensor]:
    return [torch.empty(*sizes, dtype=torch.float16, device="cuda") for _ in "qkv"]


def sglang() -> type:
    """The class behind `--attention-backend sage_attn`: SGLang's choice for a layer of its own, which attends."""
    os.environ["SGLANG_DIFFUSION_PLATFORM_OVERRIDE"] = "cuda"
    with patch("torch.cuda.get_device_capability", return_value=(9, 0)):
        from sglang.multimodal_gen.runtime.layers.attention.layer import LocalAttention
        from sglang.multimodal_gen.runtime.layers.attention.selector import global_force_attn_backend_context_manager
        from sglang.multimodal_gen.runtime.managers.forward_context import set_forward_context
        from sglang.multimodal_gen.runtime.platforms import AttentionBackendEnum, plugins

        plugins.load_plugins()
        plugins.apply_plugin_hooks()
        with global_force_attn_backend_context_manager(AttentionBackendEnum.SAGE_ATTN):
            layer = LocalAttention(num_heads=4, head_size=256, compute_dtype=torch.float16)
    with FakeTensorMode(), set_forward_context(0, None):
        assert layer(*tensors(2, 100, 4, 256)).shape == (2, 100, 4, 256)
        starts = torch.empty(3, dtype=torch.int32, device="cuda")
        packed = layer.attn_impl.forward_varlen(*tensors(100, 4, 256), cu_seqlens=starts, max_seqlen=60)
        assert packed.shape == (100, 4, 256)
    return type(layer.attn_impl)


def vllm_omni() -> type:
    """The class of a layer behind `--diffusion-attention-backend SAGE_ATTN`, which attends with a mask."""
    leave_out_startup()
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
    return type(layer)


PROGRAMS = {"sglang": sglang, "vllm_omni": vllm_omni}


def leave_out_startup() -> None:
    """Puts an empty package, with the folder of the real one, in the place of those of vLLM-Omni that start it up."""
    spec = importlib.util.find_spec("vllm_omni")
    assert spec is not None and spec.submodule_search_locations
    top = Path(spec.submodule_search_locations[0])
    for below in ("", "diffusion", "diffusion.attention", "diffusion.attention.backends"):
        name = ".".join(filter(None, ["vllm_omni", below]))
        module = ModuleType(name)
        module.__path__ = [str(top.joinpath(*below.split(".")))]
        sys.modules[name] = module


def main() -> int:
    asked = sys.argv[1:] or [*PROGRAMS]
    found = [name for name in asked if name in PROGRAMS and importlib.util.find_spec(name)]
    if not found:
        print(f"none of {', '.join(asked)} is installed", file=sys.stderr)
        return 2
    failed = False
    for name in found:
        layer = PROGRAMS[name]()
        failed |= not layer.__module__.startswith(OURS)
        print(f"{name} {metadata.version(name)}: {layer.__module__}.{layer.__qualname__}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
