"""Undocumented names of 2.2's core module that callers import.

The first use of a name makes its object: the Triton functions need Triton and the flags need the
wheel's images, but importing this package needs neither.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable

import torch

# name -> (module, attribute); "" is the module itself
_ELSEWHERE = {
    "per_block_int8_triton": ("triton.quant_per_block", "per_block_int8"),
    "per_block_int8_varlen_triton": ("triton.quant_per_block_varlen", "per_block_int8"),
    "per_thread_int8_triton": ("triton.quant_per_thread", "per_thread_int8"),
    "attn_false": ("triton.attn_qk_int8_per_block", "forward"),
    "attn_true": ("triton.attn_qk_int8_per_block_causal", "forward"),
    "attn_false_varlen": ("triton.attn_qk_int8_block_varlen", "forward"),
    "attn_true_varlen": ("triton.attn_qk_int8_per_block_causal_varlen", "forward"),
    "per_block_int8_cuda": ("quant", "per_block_int8"),
    "per_warp_int8_cuda": ("quant", "per_warp_int8"),
    "sub_mean": ("quant", "sub_mean"),
    "per_channel_fp8": ("quant", "per_channel_fp8"),
    "sm80_compile": ("sm80_compile", ""),
    "sm89_compile": ("sm89_compile", ""),
    "sm90_compile": ("sm90_compile", ""),
    "_qattn_sm80": ("_qattn_sm80", ""),
    "_qattn_sm89": ("_qattn_sm89", ""),
    "_qattn_sm90": ("_qattn_sm90", ""),
    "_fused": ("_fused", ""),
}

# flag -> kind of kernel that its operators need
_FLAGS = {"SM80_ENABLED": "fp16", "SM89_ENABLED": "fp8", "SM90_ENABLED": "fp8"}


def lazy_names(module: str) -> Callable[[str], Any]:
    """A module's __getattr__ for these names.

    Raises AttributeError for other names, and ImportError for a Triton function without
    Triton.
    """

    def get(name: str) -> Any:
        if name in _ELSEWHERE:
            where, attribute = _ELSEWHERE[name]
            found = importlib.import_module(f"{__package__}.{where}")
            return getattr(found, attribute) if attribute else found
        if name in _FLAGS:
            return _flag(_FLAGS[name])
        if name in ("get_cuda_arch_versions", "get_cuda_version"):
            return globals()[name]
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get


def _flag(kind: str) -> bool:
    """Whether the wheel holds kernels of a kind, for whatever GPU."""
    from . import _kernels
    from ._kinds import KINDS

    operation = KINDS[kind].operation.encode()
    return any(image.operation == operation for image in _kernels.images())


def get_cuda_arch_versions() -> list[str]:
    """ "sm90" and the like, of every GPU that torch sees."""
    capabilities = map(torch.cuda.get_device_capability, range(torch.cuda.device_count()))
    return [f"sm{major}{minor}" for major, minor in capabilities]


def get_cuda_version() -> tuple[int, int]:
    """Major and minor of the CUDA that torch was built with. Raises RuntimeError without CUDA."""
    if torch.version.cuda is None:
        raise RuntimeError(f"this torch ({torch.__version__}) is built without CUDA")
    major, minor = torch.version.cuda.split(".")[:2]
    return int(major), int(minor)
