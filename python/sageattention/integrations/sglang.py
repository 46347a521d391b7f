"""SGLang's plugin for diffusion models: `--attention-backend sage_attn` takes head dims up to 256.

The wheel's entry point calls register() in every process of `sglang.multimodal_gen`. Sequences
behind each other become one call instead of one for each.
"""

from __future__ import annotations

from typing import Any

# The class that finds the backend's class once somebody asks for sage_attn.
_RESOLVER = "sglang.multimodal_gen.runtime.platforms.cuda._SageAttentionBackendResolver.resolve"
_THEIRS = "sglang.multimodal_gen.runtime.layers.attention.backends.sage_attn.SageAttentionBackend"


def register() -> None:
    """Hooks SGLang's choice of the class behind sage_attn."""
    from sglang.multimodal_gen.runtime.platforms.plugins import HookRegistry, HookType

    HookRegistry.register(_RESOLVER, _resolved, HookType.AFTER)


def _resolved(found: Any, *_: Any) -> str | None:
    """Our class in the place of SGLang's own. None leaves what SGLang found: flash attention, or TensorRT-LLM's."""
    from sglang.srt.environ import envs

    theirs = envs.SGLANG_USE_SAGE_ATTENTION_IMPL.get().lower().startswith("trtllm")
    if found != _THEIRS or theirs:
        return None
    return f"{__package__}._sglang_backend.SageAttentionBackend"
