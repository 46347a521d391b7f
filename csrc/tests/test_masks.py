"""Masks, which kernels read by the tile, against float64: see test_kernels.py. test_shapes.py has more strides."""

import os

import pytest
import torch

import reference

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from cases import DTYPES, check, operands

INFINITY = float("inf")
ROWS, KEYS = 200, 336  # five whole tiles of keys and a quarter
FORMS = [torch.bool, torch.float16, torch.bfloat16, torch.float32]
CAUSAL = {"full": 0, "top-left": 1, "bottom-right": 2}


def as_form(seen, form):
    """A mask that shows these keys, with numbers beside -infinity if it is additive."""
    if form == torch.bool:
        return seen
    return torch.randn(seen.shape, device="cuda").masked_fill(~seen, -INFINITY).to(form)


def by_tiles(batch, heads):
    """Tiles that are seen in part, by nobody, by all, by rows of some warps; rows that see nothing."""
    seen = torch.rand(batch, heads, ROWS, KEYS, device="cuda") > 0.4
    seen[..., 64:128] = False
    seen[..., 128:192] = True
    seen[..., :96, 192:256] = False
    seen[..., 96:, 192:256] = True
    seen[..., 17, :] = False
    seen[..., 130:133, :] = False
    return seen


def compare(library, mask, dim, causal=0, dtype=torch.bfloat16, seen=None):
    q, k, v = operands((2, 4, 2, ROWS, KEYS), dim, dtype, "NHD", padding=3)
    mask = mask.expand(2, 4, ROWS, KEYS)
    output, lse = library.attention(q, k, v, "thread", causal, mask=mask)
    check(output, lse, q, k, v, causal, mask=mask if seen is None else seen.expand_as(mask))


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("causal", CAUSAL)
@pytest.mark.parametrize("dim", [64, 96, 128, 192, 256])
def test_tiles(library, dim, causal, form):
    mask = as_form(by_tiles(2, 4), form)
    if form != torch.bool:
        mask[..., 128:192] = 0.0  # a tile that the mask does not change
    for dtype in DTYPES.values():
        compare(library, mask, dim, CAUSAL[causal], dtype)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("shape", [(2, 1, 1, KEYS), (1, 4, 1, KEYS), (1, 1, ROWS, KEYS), (2, 1, ROWS, KEYS)], ids=str)
@pytest.mark.parametrize("dim", [64, 128])
def test_broadcast(library, dim, shape, form):
    compare(library, as_form(torch.rand(shape, device="cuda") > 0.3, form), dim)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("causal", CAUSAL)
def test_key_padding(library, causal, form):
    """Of one batch a part of the keys; of the other none, so that its output is 0."""
    seen = torch.zeros(2, 1, 1, KEYS, dtype=torch.bool, device="cuda")
    for keys in (KEYS, 320, 128, 100, 1):
        seen[0, ..., :keys] = True
        seen[0, ..., keys:] = False
        compare(library, as_form(seen, form), 128, CAUSAL[causal])


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("dim", [64, 128])
def test_windows(library, dim, form):
    """Whole runs of tiles in the beginning, the middle and the end that a block does not see."""
    distance = torch.arange(ROWS, device="cuda")[:, None] - torch.arange(KEYS, device="cuda")
    for seen in (distance.abs() < 20, distance < -250, distance > 150, (distance % 300).abs() < 5):
        compare(library, as_form(seen[None, None], form), dim)


@pytest.mark.parametrize("form", [torch.bool, torch.float16], ids=str)
@pytest.mark.parametrize("dim", [64, 256])
def test_many_tiles(library, dim, form):
    """Hidden runs of more than 32 tiles in the beginning, the middle and the end; and all of them."""
    keys = 100 * 64 + 5
    q, k, v = operands((1, 2, 2, ROWS, keys), dim, torch.bfloat16, "NHD")
    for first, last in ((0, 2600), (1500, 5700), (2500, keys), (0, keys)):
        seen = torch.rand(1, 2, ROWS, keys, device="cuda") > 0.3
        seen[..., first:last] = False
        for causal in CAUSAL.values():
            mask = as_form(seen, form)
            check(*library.attention(q, k, v, "thread", causal, mask=mask), q, k, v, causal, mask=mask)


@pytest.mark.parametrize("form", [torch.bool, torch.float16], ids=str)
def test_a_captured_call_reads_the_mask_anew(library, form):
    q, k, v = operands((2, 4, 2, ROWS, KEYS), 64, torch.float16, "HND")
    masks = [as_form(by_tiles(2, 4), form) for _ in range(2)]
    given = masks[0].clone()
    library.attention(q, k, v, mask=given)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output, lse = library.attention(q, k, v, mask=given)
    for mask in masks:
        given.copy_(mask)
        graph.replay()
        check(output, lse, q, k, v, 0, mask=mask)


def test_bytes_of_any_value_show_a_key(library):
    """The C interface says: a byte, 0 or not."""
    values = torch.tensor([0, 1, 2, 64, 127, 128, 129, 254, 255, 0], dtype=torch.uint8, device="cuda")
    numbers = values[torch.randint(10, (2, 4, ROWS, KEYS), device="cuda")]
    for columns in (slice(0, KEYS), slice(0, 320)):
        numbers[..., columns] = values[torch.randint(10, (2, 4, ROWS, KEYS), device="cuda")][..., columns]
        compare(library, numbers.view(torch.bool), 128, seen=numbers != 0)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("dim", [64, 96, 128, 192, 256])
def test_rows_begin_at_any_byte(library, dim, form):
    """Rows whose places behind a multiple of 16 bytes change from one to the next, or are all the same odd one."""
    changing = as_form(by_tiles(2, 4), form)[..., : KEYS - 1].contiguous()
    same = torch.empty(2, 4, ROWS, KEYS + 16, dtype=form, device="cuda")
    keys = torch.empty(2, 1, 1, KEYS + 16, dtype=form, device="cuda")
    for first in range(1, 16, 5):
        view = same[..., first : first + KEYS - 1].copy_(changing)
        row = keys[..., first : first + KEYS - 1].copy_(changing[:, :1, :1])
        for mask in (view, row):
            q, k, v = operands((2, 4, 2, ROWS, KEYS - 1), dim, torch.float16, "HND")
            mask = mask.expand(2, 4, ROWS, KEYS - 1)
            check(*library.attention(q, k, v, mask=mask), q, k, v, 0, mask=mask)
    q, k, v = operands((2, 4, 2, ROWS, KEYS - 1), dim, torch.bfloat16, "NHD")
    for causal in CAUSAL.values():
        check(*library.attention(q, k, v, "thread", causal, mask=changing), q, k, v, causal, mask=changing)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_strides(library, form):
    """Rows that begin beside a multiple of 16 bytes, rows far apart, keys two apart, keys first."""
    wide = as_form(torch.rand(2, 4, ROWS, 2 * KEYS, device="cuda") > 0.3, form)
    for mask in (wide[..., 1 : KEYS + 1], wide[..., 16 : KEYS + 16], wide[..., ::2]):
        compare(library, mask, 64)
    compare(library, as_form(torch.rand(2, 4, KEYS, ROWS, device="cuda") > 0.3, form).mT, 64)


@pytest.mark.parametrize("form", FORMS[1:], ids=str)
@pytest.mark.parametrize("dim", [64, 128])
def test_biases_beyond_all_scores(library, dim, form):
    """Some elements of a row, or all of them, so low that scores hardly count, beside keys that are hidden."""
    q, k, v = operands((2, 4, 2, ROWS, KEYS), dim, torch.bfloat16, "NHD")
    mask = 20 * torch.randn(2, 4, ROWS, KEYS, device="cuda")
    mask[:, :, 40:80] -= 300
    mask[:, :, 80:100, ::2] = -1e4
    mask[:, :, 100:120] = -1e4
    mask[:, :, 120:140, :300] = -INFINITY
    mask[:, :, 140:150, 7:] = -INFINITY
    mask[:, :, 150] = -INFINITY
    mask = mask.to(form)
    for queries in (q, q * 1e-3):
        check(*library.attention(queries, k, v, mask=mask), queries, k, v, 0, mask=mask)


@pytest.mark.parametrize("form", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("lowest", ["min", -1e9])
def test_most_negative_numbers_are_not_infinite(library, lowest, form):
    q, k, v = operands((1, 2, 2, 64, 256), 64, torch.float16, "HND")
    mask = torch.zeros(1, 2, 64, 256, device="cuda", dtype=form)
    lowest = torch.finfo(form).min if lowest == "min" else lowest
    mask[:, :, :8] = lowest
    mask[:, :, 8:, 50:] = lowest
    output, _ = library.attention(q, k, v, mask=mask)
    assert (output[:, :, :8].double() - v.double().mean(2, keepdim=True)).abs().max() < 5e-3
    expected, _ = reference.attention(q[:, :, 8:], k[:, :, :50], v[:, :, :50], 0, 0.125)
    assert reference.errors(output[:, :, 8:], expected)[1] < 0.02


def test_hidden_keys_do_not_count(library):
    """NaN and infinity among values of a tile that nobody sees."""
    q, k, v = operands((1, 2, 2, ROWS, KEYS), 64, torch.float16, "HND")
    seen = torch.rand(1, 1, ROWS, KEYS, device="cuda") > 0.3
    seen[..., 64:128] = False
    expected, _ = reference.attention(q, k, v, 0, 0.125, seen.expand(1, 2, ROWS, KEYS))
    v[:, :, 70], v[:, :, 90] = float("nan"), INFINITY
    output, _ = library.attention(q, k, v, mask=seen.expand(1, 2, ROWS, KEYS))
    assert reference.errors(output, expected)[1] < 0.02
