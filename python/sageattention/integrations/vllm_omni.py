"""vLLM-Omni's plugin: `--diffusion-attention-backend SAGE_ATTN` takes masks as well.

The wheel's entry point calls register() in every process of vLLM-Omni, and in none of vLLM alone.
Which GPUs may ask for SAGE_ATTN is decided by vLLM-Omni before: its platforms/cuda/platform.py.
"""

from __future__ import annotations


def register() -> None:
    """Names the class that serves SAGE_ATTN. vLLM-Omni imports it once somebody asks for SAGE_ATTN."""
    from vllm_omni.diffusion.attention.backends.registry import (
        DiffusionAttentionBackendEnum,
        register_diffusion_backend,
    )

    path = f"{__package__}._vllm_omni_backend.SageAttentionBackend"
    register_diffusion_backend(DiffusionAttentionBackendEnum.SAGE_ATTN, path)
