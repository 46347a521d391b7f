"""Random attention inputs on the GPU, and their references."""

from __future__ import annotations

from typing import NamedTuple

import torch

from sageattention import _abi, reference


class Case(NamedTuple):
    """The shape of one attention call."""

    batch: int = 1
    heads: int = 8
    key_heads: int = 8
    rows: int = 128
    keys: int = 128
    head_dim: int = 64
    dtype: torch.dtype = torch.float16
    is_causal: bool = False

    def __str__(self) -> str:
        mask = "causal" if self.is_causal else "full"
        dtype = str(self.dtype).replace("torch.", "")
        heads = f"{self.heads}/{self.key_heads}"
        return f"b{self.batch}-h{heads}-{self.rows}x{self.keys}-d{self.head_dim}-{dtype}-{mask}"


Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(case: Case, seed: int = 0) -> Inputs:
    """Normally distributed HND query, key and value."""
    generator = torch.Generator("cuda").manual_seed(seed)

    def random(heads: int, rows: int) -> torch.Tensor:
        shape = (case.batch, heads, rows, case.head_dim)
        return torch.randn(shape, generator=generator, device="cuda").to(case.dtype)

    return (
        random(case.heads, case.rows),
        random(case.key_heads, case.keys),
        random(case.key_heads, case.keys),
    )


def nhd(tensor: torch.Tensor) -> torch.Tensor:
    """An HND tensor as a contiguous NHD one, or the other way round."""
    return tensor.transpose(1, 2).contiguous()


def oracle(
    case: Case, tensors: Inputs, granularity: int = _abi.PER_THREAD
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the kernels should give for these inputs up to rounding: output and LSE, float64."""
    return reference.quantized_attention(*tensors, case.is_causal, granularity=granularity)
