"""Operands of the GPU tests, and how close the kernels must come to float64."""

import json

import torch

import reference

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
NAN = float("nan")


def operand(shape, dtype, layout, key_mean=0.0, padding=0, columns=0):
    """Random [B, H, S, D] view of a tensor in a layout, with `padding` rows of NaN behind each head and so many
    columns of NaN behind each row."""
    batch, heads, rows, dim = shape
    full, wide = rows + padding, dim + columns
    size = (batch, heads, full, wide) if layout == "HND" else (batch, full, heads, wide)
    storage = torch.full(size, NAN, dtype=dtype, device="cuda")
    view = (storage if layout == "HND" else storage.transpose(1, 2))[:, :, :rows, :dim]
    view.copy_(torch.randn(shape, device="cuda") + key_mean * torch.randn(batch, heads, 1, dim, device="cuda"))
    return view


def operands(shape, dim, dtype, layout, key_mean=0.0, padding=0, columns=0):
    """Query, key and value of (batch, query heads, key heads, query rows, key rows)."""
    torch.manual_seed(sum(shape) + dim)
    batch, query_heads, key_heads, query_rows, key_rows = shape
    q = operand((batch, query_heads, query_rows, dim), dtype, layout, 0.0, padding, columns)
    k = operand((batch, key_heads, key_rows, dim), dtype, layout, key_mean, padding, columns)
    v = operand((batch, key_heads, key_rows, dim), dtype, layout, 0.3, padding, columns)
    return q, k, v


def check(output, lse, q, k, v, causal, record=None, mask=None):
    """Compares with float64; rows that see no key must be exactly zero and -infinity."""
    expected, expected_lse = reference.attention(q, k, v, causal, q.shape[-1] ** -0.5, mask)
    blind = expected_lse == float("-inf")
    assert (lse[blind] == float("-inf")).all() and (output[blind] == 0).all()
    if blind.all():
        return
    cosine, relative = reference.errors(output[~blind], expected[~blind])
    if record is not None:
        record(json.dumps({"cosine": cosine, "relative_l1": relative}))
    assert cosine > 0.999 and relative < 0.02, (cosine, relative)
    exact = expected_lse[~blind]
    assert (lse[~blind].double() - exact).abs().max() < 0.05 + 0.01 * exact.abs().max()
