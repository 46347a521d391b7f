"""Head dims, causal corners, masks and sequences of different lengths against float64: see test_kernels.py."""

import itertools
import os

import pytest
import torch

import reference

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

from cases import DTYPES, NAN, check, operand, operands
from library import GRANULARITIES, Failure, abi

KERNEL_DIMS = [64, 96, 128, 192, 256]
CAUSAL = {"full": 0, "top-left": 1, "bottom-right": 2}
INFINITY = float("inf")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("causal", CAUSAL)
@pytest.mark.parametrize("dim", [1, 8, 40, 72, 96, 100, 160, 192, 200, 256])
def test_head_dims(library, dim, causal, dtype):
    """Columns beyond the head dim are NaN, and those of the output stay as they were."""
    q, k, v = operands((2, 4, 2, 150, 200), dim, DTYPES[dtype], "NHD", padding=3, columns=-dim % 8 + 8)
    whole = torch.full((2, 4, 150, dim + 7), 5.0, dtype=DTYPES[dtype], device="cuda")
    output, lse = library.attention(q, k, v, "thread", CAUSAL[causal], output=whole[..., :dim])
    check(output, lse, q, k, v, CAUSAL[causal])
    assert (whole[..., dim:] == 5.0).all()


@pytest.mark.parametrize(
    "shape", [(1, 4, 2, 77, 500), (1, 4, 4, 500, 77), (2, 2, 1, 1, 300), (1, 2, 2, 129, 128)], ids=str
)
@pytest.mark.parametrize("dim", [64, 128, 256])
def test_bottom_right(library, dim, shape):
    q, k, v = operands(shape, dim, torch.float16, "HND")
    output, lse = library.attention(q, k, v, "thread", 2)
    check(output, lse, q, k, v, 2)


# ---- masks ----


def random_mask(shape, kind):
    """Two of three keys seen, or small numbers of which some are -infinity."""
    seen = torch.rand(shape, device="cuda") > 0.33
    if kind == torch.bool:
        return seen
    return torch.randn(shape, device="cuda").masked_fill(~seen, -INFINITY).to(kind)


@pytest.mark.parametrize("kind", [torch.bool, torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("causal", CAUSAL)
@pytest.mark.parametrize("dim", KERNEL_DIMS)
def test_masks(library, dim, causal, kind):
    q, k, v = operands((2, 4, 2, 150, 203), dim, torch.bfloat16, "NHD", padding=5)
    mask = random_mask((2, 4, 150, 203), kind)
    mask[0, :, 10] = False if kind == torch.bool else -INFINITY  # a row that sees nothing
    mask[1, :, :, 64:130] = False if kind == torch.bool else -INFINITY  # a tile that nobody sees
    output, lse = library.attention(q, k, v, "thread", CAUSAL[causal], mask=mask)
    check(output, lse, q, k, v, CAUSAL[causal], mask=mask)


@pytest.mark.parametrize(
    "shape", [(1, 1, 150, 203), (2, 1, 1, 203), (1, 4, 150, 1), (2, 4, 1, 1), (1, 1, 1, 1)], ids=str
)
@pytest.mark.parametrize("kind", [torch.bool, torch.float32], ids=str)
def test_broadcast_masks(library, kind, shape):
    q, k, v = operands((2, 4, 2, 150, 203), 72, torch.float16, "HND")
    mask = random_mask(shape, kind).expand(2, 4, 150, 203)
    output, lse = library.attention(q, k, v, mask=mask)
    check(output, lse, q, k, v, False, mask=mask)


def test_transposed_mask(library):
    q, k, v = operands((1, 2, 2, 150, 203), 64, torch.float16, "HND")
    mask = random_mask((1, 2, 203, 150), torch.float16).mT
    output, lse = library.attention(q, k, v, mask=mask)
    check(output, lse, q, k, v, False, mask=mask)


def test_most_negative_numbers_are_not_infinite(library):
    """A row whose keys all have them sees all of them alike, as in PyTorch."""
    q, k, v = operands((1, 2, 2, 64, 100), 64, torch.float16, "HND")
    mask = torch.zeros(1, 1, 64, 100, device="cuda").expand(1, 2, 64, 100).contiguous()
    mask[:, :, :8] = torch.finfo(torch.float32).min
    mask[:, :, 8:, 50:] = torch.finfo(torch.float32).min
    output, _ = library.attention(q, k, v, mask=mask)
    assert (output[:, :, :8].double() - v.double().mean(2, keepdim=True)).abs().max() < 5e-3
    expected, _ = reference.attention(q[:, :, 8:], k[:, :, :50], v[:, :, :50], 0, 0.125)
    assert reference.errors(output[:, :, 8:], expected)[1] < 0.02


@pytest.mark.library
@pytest.mark.skipif("emulated" in os.environ.get("SAGEATTN_FAMILY_NOTE", ""), reason="would take minutes")
def test_mask_beyond_32_bits(library):
    """Offsets of its last rows do not fit: those rows alone see the last key, whose value differs."""
    rows = 47000
    q, k, v = (torch.zeros(1, 1, rows, 64, dtype=torch.float16, device="cuda") for _ in range(3))
    v[:, :, -1] = 1.0
    mask = torch.zeros(1, 1, rows, rows, dtype=torch.bool, device="cuda")
    mask[..., 0] = True
    mask[:, :, -3:, 0], mask[:, :, -3:, -1] = False, True
    output, _ = library.attention(q, k, v, smooth=False, mask=mask)
    assert (output[:, :, :-3] == 0).all() and (output[:, :, -3:] == 1).all()


# ---- sequences of different lengths ----


def starts(lengths):
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32, device="cuda")


def sequences(query_lengths, key_lengths, heads, dim, dtype):
    """Views [1, H, rows, D] views of [rows, H, D] tensors, and their starts."""
    torch.manual_seed(dim)
    q = operand((1, heads[0], sum(query_lengths), dim), dtype, "NHD")
    k = operand((1, heads[1], sum(key_lengths), dim), dtype, "NHD", key_mean=1.0)
    v = operand((1, heads[1], sum(key_lengths), dim), dtype, "NHD", key_mean=0.3)
    return (q, k, v), (starts(query_lengths), starts(key_lengths)), (max(query_lengths), max(key_lengths))


QUERIES, KEYS = [5, 0, 300, 1, 128, 64, 0, 200], [70, 30, 250, 0, 128, 129, 0, 300]


@pytest.mark.parametrize("mask", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("causal", CAUSAL)
@pytest.mark.parametrize(
    ("dim", "granularity"), [(64, "thread"), (72, "warp"), (128, "block"), (192, "thread"), (256, "thread")]
)
def test_sequences(library, dim, granularity, causal, mask):
    tensors, begins, rows = sequences(QUERIES, KEYS, (4, 2), dim, torch.float16)
    masks = random_mask((len(QUERIES), 4, *rows), torch.bool) if mask else None
    output, lse = library.attention(*tensors, granularity, CAUSAL[causal], starts=begins, rows=rows, mask=masks)
    assert not output.isnan().any() and not lse.isnan().any()
    places = [list(zip(b.tolist(), b.tolist()[1:])) for b in begins]
    for index, ((first, last), (start, end)) in enumerate(zip(*places)):
        if first == last:
            continue
        q, k, v = tensors[0][:, :, first:last], tensors[1][:, :, start:end], tensors[2][:, :, start:end]
        own = None if masks is None else masks[index : index + 1, :, : last - first, : end - start]
        if start == end:
            assert (output[:, :, first:last] == 0).all() and (lse[:, :, first:last] == -INFINITY).all()
            continue
        check(output[:, :, first:last], lse[:, :, first:last], q, k, v, CAUSAL[causal], mask=own)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", ["query", "key"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_sequences_are_quantised_as_if_alone(library, granularity, side, dtype):
    which, lengths, block = (abi.KEY, KEYS, 64) if side == "key" else (abi.QUERY, QUERIES, 128)
    x = operand((1, 3, sum(lengths), 72), DTYPES[dtype], "NHD", 2.0, padding=4)
    begins, number = starts(lengths), GRANULARITIES[granularity]
    mean = library.mean(x, begins, max(lengths))
    q, scale, dot = library.quantize(
        x, which, number, mean, want_dot=side == "query", starts=begins, rows=max(lengths)
    )
    each = library.quantize(x[:, :, :block], which, number)[1].shape[2]
    for index, (first, last) in enumerate(zip(begins.tolist(), begins.tolist()[1:])):
        if first == last:
            assert (mean[index] == 0).all()
            continue
        alone = x[:, :, first:last]
        own = library.mean(alone)
        assert torch.equal(own[0], mean[index])
        expected, expected_scale, expected_dot = library.quantize(alone, which, number, own, want_dot=side == "query")
        at = (first // block + index) * each
        assert torch.equal(q[:, :, first:last], expected)
        assert torch.equal(scale[:, :, at : at + expected_scale.shape[2]], expected_scale)
        assert dot is None or torch.equal(dot[:, :, first:last], expected_dot)


def test_a_longer_sequence_than_announced_is_cut(library):
    tensors, begins, _ = sequences([100, 100], [100, 100], (2, 2), 64, torch.float16)
    output, lse = library.attention(*tensors, starts=begins, rows=(60, 60), smooth=False)
    q, k, v = (x[:, :, 100:160] for x in tensors)
    check(output[:, :, 100:160], lse[:, :, 100:160], q, k, v, 0)
    assert output[:, :, 160:].isnan().all() and output[:, :, 60:100].isnan().all()


# ---- scales ----


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("blocks", [(64, 16, 128), (128, 16, 64), (64, 32, 128)], ids=str)
@pytest.mark.parametrize("dim", [64, 128, 256])
def test_other_scale_blocks(library, dim, blocks, granularity):
    q, k, v = operands((1, 4, 2, 190, 300), dim, torch.bfloat16, "HND")
    number = GRANULARITIES[granularity]
    for x, which, block, warp in ((q, abi.QUERY, blocks[0], blocks[1]), (k, abi.KEY, blocks[2], 0)):
        found, scale, _ = library.quantize(x, which, number, block=block, warp=warp)
        expected, expected_scale = reference.quantize(x, which, granularity, scale.shape[2], None, block, warp)
        assert torch.equal(found, expected) and torch.equal(scale, expected_scale)
    output, lse = library.attention(q, k, v, granularity, True, blocks=blocks)
    check(output, lse, q, k, v, True)


# ---- kinds of kernels ----


def attend(library, **named):
    """Attention of a few rows of head dim 72."""
    q, k, v = operands((1, 1, 1, 8, 8), 72, torch.float16, "HND")
    k8, k_scale, _ = library.quantize(k, abi.KEY, 3)
    q8, q_scale, _ = library.quantize(q, abi.QUERY, 3)
    library.attend(q8, k8, v, torch.empty_like(q), q_scale, k_scale, 3, 1.0, **named)


def test_a_kind_takes_what_is_its_own(library):
    mask = torch.ones(1, 1, 8, 8, dtype=torch.bool, device="cuda")
    for kind, given, message in (
        ("fp16", {"mask": mask}, "kind fp16 takes no mask"),
        ("fp16_masked", {}, "kind fp16_masked takes a mask"),
        ("fp16_masked", {"mask": mask.half()}, "mask_dtype is 0, kind fp16_masked takes booleans"),
        ("fp16_biased", {"mask": mask}, "mask_dtype is 3, kind fp16_biased takes floats"),
        ("fp8", {}, "value_dtype is 0, kind fp8 takes E4M3"),
        ("fp8_wgmma", {}, "kind fp8_wgmma has a function of its own"),
    ):
        with pytest.raises(Failure, match=message):
            attend(library, kind=kind, **given)
    with pytest.raises(Failure, match="query_starts and key_starts need each other"):
        attend(library, starts=(starts([8]), None), rows=(8, None))


def test_a_kind_that_is_not_there_is_an_error(library):
    """Nothing else serves instead: the caller chooses."""
    if library.has("fp16_accum_f16", 72):
        pytest.skip("the device has all kinds of 16-bit values")
    with pytest.raises(Failure, match="no kernel image of attention_fp16_accum_f16_hd96 for"):
        attend(library, kind="fp16_accum_f16")


def test_images(library):
    operations = {image.operation for image in library.images()}
    assert b"attention_fp16" in operations and library.has("fp16", 256)
    with pytest.raises(Failure, match="head_dim is 257"):
        library.has("fp16", 257)


@pytest.mark.library
def test_more_batches_than_a_grid_dimension_takes(library):
    q, k, v = operands((70000, 1, 1, 2, 3), 96, torch.float16, "HND")
    output, _ = library.attention(q, k, v)
    scores = (q.double() @ k.double().mT * 96**-0.5).softmax(-1)
    assert reference.errors(output, scores @ v.double())[1] < 0.02


@pytest.mark.library
@pytest.mark.parametrize("dim", KERNEL_DIMS)
def test_two_runs_give_the_same_bits(library, dim):
    q, k, v = operands((1, 4, 2, 500, 500), dim, torch.bfloat16, "NHD")
    output = torch.full_like(q, NAN)
    first = library.attention(q, k, v, causal=2, output=output)
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(first, library.attention(q, k, v, causal=2)))
