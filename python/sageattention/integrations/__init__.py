"""What other programs need to find this package: one module for each, imported only where asked for.

    torch           its registry of flash attention implementations
    diffusers       the backend "sage", with masks and grouped heads
    transformers    attn_implementation="sage"
    comfyui         a registered attention function, and an override for one model
    vllm_omni       a plugin: SAGE_ATTN, with masks
    sglang          a plugin: sage_attn, with head dims up to 256

docs/integrations.md of the project says which versions each was tried with.
"""
