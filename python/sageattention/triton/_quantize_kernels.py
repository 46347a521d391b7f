"""Triton kernels before attention: rows to INT8, and the mean of keys.

No `from __future__ import annotations` here: Triton reads the constexpr annotations as objects.
Offsets into tensors are int64. Launch with enable_fp_fusion=False: a fused multiply and add in the
rounding would give other bits than csrc/device/quantize.cu and sageattention.reference.
"""

# mypy: ignore-errors
import triton
import triton.language as tl

# Adding 1.5 * 2**23 leaves no bits for a fraction: the sum is rounded to nearest even.
_ROUNDING = tl.constexpr(12582912.0)


@triton.jit
def row_of(block, group, BLOCK: tl.constexpr, GROUPS: tl.constexpr, RUN: tl.constexpr):
    """Rows [BLOCK / GROUPS] of a block that share a scale: every GROUPS runs of RUN neighbours."""
    index = tl.arange(0, BLOCK // GROUPS)
    return block * BLOCK + index // RUN * (GROUPS * RUN) + group * RUN + index % RUN


@triton.jit
def load_rows(pointer, rows, count, row_stride, D: tl.constexpr, WIDTH: tl.constexpr):
    """float32 [rows, WIDTH]; zero from row count and from column D on."""
    columns = tl.arange(0, WIDTH)
    pointers = pointer + rows[:, None].to(tl.int64) * row_stride + columns[None, :]
    if WIDTH == D:
        x = tl.load(pointers, mask=rows[:, None] < count, other=0.0)
    else:
        x = tl.load(pointers, mask=(rows[:, None] < count) & (columns[None, :] < D), other=0.0)
    return x.to(tl.float32)


@triton.jit
def write_int8(x, pointer, rows, count, row_stride, D: tl.constexpr, WIDTH: tl.constexpr):
    """Writes x in steps of its scale, and returns the scale: max(1e-7, largest |x|) / 127."""
    largest = tl.maximum(tl.max(tl.max(tl.abs(x), axis=1), axis=0), 1e-7)
    inverse = tl.div_rn(1.0, largest) * 127.0
    steps = (x * inverse + _ROUNDING) - _ROUNDING
    columns = tl.arange(0, WIDTH)
    pointers = pointer + rows[:, None].to(tl.int64) * row_stride + columns[None, :]
    exists = (rows[:, None] < count) & (columns[None, :] < D)
    tl.store(pointers, steps.to(tl.int8), mask=exists)
    return largest * (1 / 127)


@triton.jit
def quantize_kernel(
    Input,
    Output,
    Scale,
    Mean,  # float32 [batch, key heads, D], contiguous
    MeanDot,  # float32 [batch, heads, rows], contiguous
    Starts,
    ScaleStarts,
    rows,
    blocks,
    heads,
    head_group,
    factor,
    input_batch_stride,
    input_head_stride,
    input_row_stride,
    output_batch_stride,
    output_head_stride,
    output_row_stride,
    scale_batch_stride,
    scale_head_stride,
    scale_stride,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    GROUPS: tl.constexpr,
    RUN: tl.constexpr,
    SUBTRACT_MEAN: tl.constexpr,
    MEAN_DOT: tl.constexpr,
    VARLEN: tl.constexpr,
):
    """One program per scale. factor is multiplied into the scales after the rows are quantised."""
    group = tl.program_id(0) % GROUPS
    block = tl.program_id(0) // GROUPS % blocks
    head = (tl.program_id(0) // GROUPS // blocks % heads).to(tl.int64)
    batch = (tl.program_id(0) // GROUPS // blocks // heads).to(tl.int64)

    Input += batch * input_batch_stride + head * input_head_stride
    Output += batch * output_batch_stride + head * output_head_stride
    Scale += batch * scale_batch_stride + head * scale_head_stride
    count = rows
    if VARLEN:
        first = tl.load(Starts + batch).to(tl.int64)
        count = (tl.load(Starts + batch + 1) - first).to(tl.int32)
        Input += first * input_row_stride
        Output += first * output_row_stride
        Scale += tl.load(ScaleStarts + batch).to(tl.int64) * scale_stride

    row = row_of(block, group, BLOCK, GROUPS, RUN)
    x = load_rows(Input, row, count, input_row_stride, D, WIDTH)
    if SUBTRACT_MEAN or MEAN_DOT:
        column = tl.arange(0, WIDTH)
        mean_row = batch * (heads // head_group) + head // head_group
        mean = tl.load(Mean + mean_row * D + column, mask=column < D, other=0.0)
        if MEAN_DOT:
            dot = tl.sum(x * mean[None, :], axis=1)
            tl.store(MeanDot + (batch * heads + head) * rows + row, dot, mask=row < count)
        if SUBTRACT_MEAN:
            x = tl.where(row[:, None] < count, x - mean[None, :], 0.0)
    scale = write_int8(x, Output, row, count, output_row_stride, D, WIDTH)
    # An `if`, not a mask: the interpreter of Triton 3.2 ignores the mask of a scalar's store.
    if not VARLEN or block * BLOCK < count:
        tl.store(Scale + (block * GROUPS + group) * scale_stride, scale * factor)


@triton.jit
def mean_kernel(
    Input,
    Mean,  # float32 [batch, heads, D], contiguous
    Starts,
    heads,
    head_stride,
    row_stride,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Mean over the rows of each sequence, zero without rows: one program per head."""
    head = (tl.program_id(0) % heads).to(tl.int64)
    batch = (tl.program_id(0) // heads).to(tl.int64)
    first = tl.load(Starts + batch).to(tl.int64)
    count = (tl.load(Starts + batch + 1) - first).to(tl.int32)
    Input += first * row_stride + head * head_stride
    total = tl.zeros([WIDTH], dtype=tl.float32)
    for start in range(0, count, BLOCK):
        row = start + tl.arange(0, BLOCK)
        total += tl.sum(load_rows(Input, row, count, row_stride, D, WIDTH), axis=0)
    column = tl.arange(0, WIDTH)
    mean = total / tl.maximum(count, 1).to(tl.float32)
    tl.store(Mean + (batch * heads + head) * D + column, mean, mask=column < D)
