"""Generated from csrc/kernels.toml by `sagebuild generate`: edit that file instead."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of attention kernels; csrc/kernels.toml says what the fields mean. number is its sageattn_kind."""

    number: int
    name: str
    values: str
    sums: str
    scale_max: float
    mask: bool
    starts: bool
    head_dims: tuple[int, ...]
    launcher: str

    @property
    def operation(self) -> str:
        """The name of the kind's container in a fatbin."""
        return f"attention_{self.name}"

    @property
    def e4m3(self) -> bool:
        """Whether the values are E4M3, so that the output is rough and has their scale and mean."""
        return self.values == "e4m3"

    def kernel(self, head_dim: int) -> str:
        """The kernel that serves a head dim. Raises StopIteration above the largest."""
        return f"{self.operation}_hd{next(size for size in self.head_dims if size >= head_dim)}"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            number=0,
            name="fp16",
            values="16bit",
            sums="float32",
            scale_max=0.0,
            mask=False,
            starts=True,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=1,
            name="fp16_masked",
            values="16bit",
            sums="float32",
            scale_max=0.0,
            mask=True,
            starts=True,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=2,
            name="fp16_accum_f16",
            values="16bit",
            sums="float16",
            scale_max=0.0,
            mask=False,
            starts=True,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=3,
            name="fp8",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=False,
            starts=False,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=4,
            name="fp8_accum_f16",
            values="e4m3",
            sums="float16",
            scale_max=2.25,
            mask=False,
            starts=False,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=5,
            name="fp8_wgmma",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=False,
            starts=False,
            head_dims=(64, 128),
            launcher="wgmma",
        ),
        Kind(
            number=6,
            name="fp4",
            values="e2m1",
            sums="float32",
            scale_max=0.0,
            mask=False,
            starts=False,
            head_dims=(64, 128),
            launcher="fp4",
        ),
        Kind(
            number=7,
            name="fp8_scaled",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=False,
            starts=False,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
        Kind(
            number=8,
            name="fp8_wgmma_masked",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=True,
            starts=False,
            head_dims=(64, 128),
            launcher="wgmma",
        ),
        Kind(
            number=9,
            name="fp8_wgmma_biased",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=True,
            starts=False,
            head_dims=(64, 128),
            launcher="wgmma",
        ),
        Kind(
            number=10,
            name="fp8_wgmma_varlen",
            values="e4m3",
            sums="float32",
            scale_max=448.0,
            mask=False,
            starts=True,
            head_dims=(64, 128),
            launcher="wgmma",
        ),
        Kind(
            number=11,
            name="fp16_biased",
            values="16bit",
            sums="float32",
            scale_max=0.0,
            mask=True,
            starts=True,
            head_dims=(64, 96, 128, 192, 256),
            launcher="attention",
        ),
    )
}
