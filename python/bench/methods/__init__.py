"""What can be measured: this package's functions and their peers, one class each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..suggest import unknown
from .base import Method
from .comfy_kitchen import ComfyInt8
from .cudnn_fp8 import CudnnFp8
from .ours import our_methods
from .sageattention_1 import SageAttention1
from .torch_sdpa import torch_methods


def all_methods(sageattention_1: Path | None = None) -> list[Method]:
    """Ours first, then the peers."""
    return [
        *our_methods(),
        *torch_methods(),
        CudnnFp8(),
        SageAttention1(sageattention_1),
        ComfyInt8(),
    ]


def selected(methods: Sequence[Method], names: Sequence[str]) -> list[Method]:
    """The methods of these names, in their own order. Raises ValueError for an unknown name."""
    known = [method.name for method in methods]
    for name in names:
        if name not in known:
            raise ValueError(unknown("method", name, known))
    return [method for method in methods if method.name in names]
