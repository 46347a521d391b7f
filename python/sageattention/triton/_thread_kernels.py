"""The per-thread quantisers with the names and arguments that other projects use.

Grid: (scales per head, heads, batch). C is a power of two of at least 16; BLK is the rows of a warp.
No `from __future__ import annotations` here: Triton reads the constexpr annotations as objects.
"""

# mypy: ignore-errors
import triton
import triton.language as tl

from ._quantize_kernels import load_rows, row_of, write_int8


@triton.jit
def quantize_per_thread_kernel(
    Input, Output, Scale, L,
    stride_iz, stride_ih, stride_in, stride_oz, stride_oh, stride_on, stride_sz, stride_sh,
    C: tl.constexpr, BLK: tl.constexpr, GROUPS: tl.constexpr, RUN: tl.constexpr,
):  # fmt: skip
    """One scale of one head. BLK rows have GROUPS scales, each of every GROUPS-th run of RUN neighbouring rows."""
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    row = row_of(tl.program_id(0) // GROUPS, tl.program_id(0) % GROUPS, BLK, GROUPS, RUN)
    x = load_rows(Input + batch * stride_iz + head * stride_ih, row, L, stride_in, C, C)
    target = Output + batch * stride_oz + head * stride_oh
    scale = write_int8(x, target, row, L, stride_on, C, C)
    tl.store(Scale + batch * stride_sz + head * stride_sh + tl.program_id(0), scale)


def _with_groups(groups: int, run: int):
    """The kernel as its callers know it: without GROUPS and RUN, which Triton fills in at each launch."""
    constants = {"GROUPS": lambda arguments: groups, "RUN": lambda arguments: run}
    return triton.heuristics(constants)(quantize_per_thread_kernel)


quant_query_per_thread_int8_kernel = _with_groups(groups=8, run=1)
quant_key_per_thread_int8_kernel = _with_groups(groups=4, run=2)
