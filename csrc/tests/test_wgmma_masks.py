"""Masks on the wgmma path of SM 9.0, against float64.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 -m pytest csrc/tests/test_wgmma_masks.py
"""

import os

import pytest
import torch

if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("needs a GPU of SM 9.0", allow_module_level=True)
if "SAGEATTN_LIBRARY" not in os.environ:
    pytest.skip("set SAGEATTN_LIBRARY and SAGEATTN_FATBIN", allow_module_level=True)

import reference
from library import Failure
from test_wgmma import CAUSAL, NAN, library, operands, relative  # noqa: F401

KIND = {None: 0, "top-left": 1, "bottom-right": 2}
SHAPES = [
    (1, 1, 1, 1, 1), (2, 2, 1, 3, 130), (2, 4, 2, 77, 515), (1, 2, 2, 200, 128), (2, 2, 2, 385, 1001),
    (1, 3, 3, 700, 64),
]  # fmt: skip


def expected(q, k, v, causal=None, mask=None):
    return reference.attention(q, k, v, KIND[causal], q.shape[-1] ** -0.5, mask)


def check(library, q, k, v, mask, causal=None, bound=0.045, lse_bound=0.02):  # noqa: F811
    """Compares with float64; rows that see nothing are 0 and -infinity; a second call gives the same bits.

    lse_bound: of the mean; of the largest, five times as much.
    """
    output, lse = library.wgmma(q, k, v, causal, mask=mask)
    wanted, wanted_lse = expected(q, k, v, causal, mask)
    unseen = wanted_lse == float("-inf")
    assert torch.equal(lse == float("-inf"), unseen) and not output[unseen].any()
    if not unseen.all():
        assert relative(output, wanted) < bound
        difference = (lse - wanted_lse)[~unseen].abs()
        assert difference.max() < 5 * lse_bound and difference.mean() < lse_bound
    again, again_lse = library.wgmma(q, k, v, causal, mask=mask)
    assert torch.equal(again, output) and torch.equal(again_lse, lse)


def random_bool(*shape, share=0.5):
    return torch.rand(shape, device="cuda") < share


def padding(batch, keys):
    """Lengths from none to all, one batch beginning late."""
    lengths = torch.linspace(0, keys, batch + 1, device="cuda").long()[1:]
    seen = torch.arange(keys, device="cuda") < lengths[:, None]
    return (seen.flip(1) if batch % 2 else seen)[:, None, None]


MASKS = {
    "padding": lambda b, h, q, k: padding(b, k),
    "keys": lambda b, h, q, k: random_bool(b, 1, 1, k),
    "few-keys": lambda b, h, q, k: random_bool(1, 1, 1, k, share=0.02),
    "islands": lambda b, h, q, k: ((torch.arange(k, device="cuda") + 60) // 150 % 2 == 1)[None, None, None],
    "all-keys": lambda b, h, q, k: torch.ones(b, 1, 1, k, dtype=torch.bool, device="cuda"),
    "no-keys": lambda b, h, q, k: torch.zeros(b, 1, 1, k, dtype=torch.bool, device="cuda"),
    "keys-of-heads": lambda b, h, q, k: random_bool(b, h, 1, k),
    "pairs": lambda b, h, q, k: random_bool(b, 1, q, k),
    "few-pairs": lambda b, h, q, k: random_bool(1, h, q, k, share=0.01),
    "most-pairs": lambda b, h, q, k: random_bool(b, h, q, k, share=0.999),
    "transposed": lambda b, h, q, k: random_bool(b, 1, k, q).mT,
    "rows": lambda b, h, q, k: random_bool(b, h, q, 1),
    "window": lambda b, h, q, k: (torch.arange(q, device="cuda")[:, None] - torch.arange(k, device="cuda")).abs() < 90,
}


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_boolean(library, shape, name, dim, causal):  # noqa: F811
    q, k, v = operands(shape, dim, padding=3)
    k += torch.randn_like(k[:, :, :1]) * 2
    batch, heads, _, rows, keys = shape
    check(library, q, k, v, MASKS[name](batch, heads, rows, keys), causal)


def test_a_shown_key_far_below_the_hidden_ones(library):  # noqa: F811
    """A hidden key of a large score is no maximum. It may share a scale with one that is shown, which is then rough."""
    q, k, v = operands((1, 2, 2, 300, 300), 128)
    seen = torch.zeros(300, dtype=torch.bool, device="cuda")
    seen[[5, 250]] = True
    direction = torch.randn(128, device="cuda", dtype=q.dtype)
    q, k = direction.expand_as(q).clone(), k - 3 * direction
    k[:, :, ~seen] += 20 * direction
    for causal in CAUSAL:
        for mask in (seen[None, None, None], seen.expand(1, 1, 300, 300).contiguous()):
            check(library, q, k, v, mask, causal, bound=0.1, lse_bound=0.5)


@pytest.mark.parametrize("large", [NAN, float("inf"), 1e4])
def test_hidden_keys_do_not_touch_the_scales(library, large):  # noqa: F811
    """What a mask of one row hides is not read into scales, means and sums."""
    q, k, v = operands((2, 2, 2, 200, 700), 128)
    mask = padding(2, 700)
    hidden = ~mask[:, 0, 0]
    wanted, _ = expected(q, k, v, None, mask)
    for x in (k, v):
        for batch in range(2):
            x[batch, :, hidden[batch]] = large
    output, _ = library.wgmma(q, k, v, mask=mask)
    assert relative(output, wanted) < 0.045


def test_nan_stays_in_its_channel(library):  # noqa: F811
    q, k, v = operands((1, 2, 2, 300, 700), 64)
    for mask in (padding(1, 700), random_bool(1, 1, 300, 700), torch.randn(1, 1, 300, 700, device="cuda")):
        bad = v.clone()
        bad[0, 1, 699, 5] = NAN
        output, _ = library.wgmma(q, k, bad, mask=mask)
        assert output[0, 1, :, 5].isnan().any()
        output[0, 1, :, 5] = 0
        assert output.isfinite().all()


FLOATS = [torch.float16, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("shape", [(2, 4, 2, 77, 516), (1, 2, 2, 385, 1000), (2, 2, 1, 3, 132)], ids=str)
def test_floats(library, shape, dim, dtype, causal):  # noqa: F811
    q, k, v = operands(shape, dim, padding=3)
    batch, heads, _, rows, keys = shape
    for sizes in ((batch, 1, rows, keys), (1, heads, rows, keys), (rows, keys)):
        mask = torch.randn(sizes, device="cuda").to(dtype) * 2
        mask[..., ::7] = float("-inf")
        mask[..., 0, :] = float("-inf")
        check(library, q, k, v, mask, causal)


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("keys", [1, 77, 130, 1001])
def test_floats_of_keys(library, keys, dtype, causal):  # noqa: F811
    q, k, v = operands((2, 4, 2, 200, keys), 128)
    for sizes in ((2, 1, 1, keys), (2, 4, 1, keys), (keys,)):
        mask = torch.randn(sizes, device="cuda").to(dtype) * 3
        mask[..., ::5] = float("-inf")
        check(library, q, k, v, mask, causal)
    check(library, q, k, v, torch.randn(keys, 2, device="cuda").to(dtype)[:, 0], causal)


@pytest.mark.parametrize("dim", [64, 128])
def test_lse_of_long_rows(library, dim):  # noqa: F811
    """What a mask of keys alone hides is left out of the tiles, also of those that are seen in part."""
    q, k, v = operands((2, 2, 2, 300, 20000), dim)
    k += torch.randn_like(k[:, :, :1]) * 2
    first = torch.arange(20000, device="cuda") < 16384
    for mask in (random_bool(2, 1, 1, 20000, share=0.8), padding(2, 20000) | first):
        output, lse = library.wgmma(q, k, v, mask=mask)
        wanted, wanted_lse = expected(q, k, v, None, mask)
        assert relative(output, wanted) < 0.036
        assert (lse - wanted_lse).abs().max() < 1e-3


@pytest.mark.parametrize("slope", [0.5, -0.5, 40.0, -40.0, 1e30, -1e30])
@pytest.mark.parametrize("dim", [64, 128])
def test_biases_that_rise_or_fall(library, dim, slope):  # noqa: F811
    """Tiles are taken from the last to the first: the maximum is raised in each of them, or in one alone."""
    q, k, v = operands((1, 2, 2, 200, 700), dim)
    mask = torch.arange(700, device="cuda").float()[None, None, None] * slope
    check(library, q, k, v, mask, lse_bound=0.05 if abs(slope) < 1e3 else float("inf"), bound=0.06)


def one_for_all(*pieces):
    """A bias [batch, 1, 1, keys] of pieces, one a batch."""
    return torch.stack(pieces)[:, None, None]


def hidden_from(first, keys, value):
    return torch.where(torch.arange(keys, device="cuda") < first, 0.0, value)


# Biases of keys for all queries and heads, of 2 batches. Those before "wide" become weights, unless a causal limit goes
# with hidden keys.
KEY_BIASES = {
    "random": lambda n: torch.randn(2, 1, 1, n, device="cuda"),
    "two": lambda n: torch.where(random_bool(2, 1, 1, n), 3.0, -3.0),
    "slope": lambda n: (torch.arange(n, device="cuda") * 0.2)[None, None, None],
    "negative-slope": lambda n: (torch.arange(n, device="cuda") * -0.2)[None, None, None],
    "steps": lambda n: (torch.arange(n, device="cuda") // 32 % 3 * 90.0)[None, None, None],
    "padding": lambda n: one_for_all(hidden_from(n // 2, n, -1e4), hidden_from(n - 3, n, float("-inf"))),
    "padding-of-the-front": lambda n: one_for_all(*2 * [hidden_from(n - n // 3, n, -1e4).flip(0)]),
    "random-keys": lambda n: torch.where(random_bool(2, 1, 1, n), torch.randn(n, device="cuda"), float("-inf")),
    "far-below": lambda n: torch.full((2, 1, 1, n), -9000.0, device="cuda"),
    # These are added, in one batch or both.
    "wide": lambda n: torch.randn(2, 1, 1, n, device="cuda") * 6,
    "hundreds": lambda n: one_for_all(hidden_from(n // 2 + 1, n, -100.0), torch.randn(n, device="cuda")),
    "infinite": lambda n: one_for_all(torch.randn(n, device="cuda"), torch.full((n,), float("-inf"), device="cuda")),
}


@pytest.mark.parametrize("causal", CAUSAL, ids=["full", "top-left", "bottom-right"])
@pytest.mark.parametrize("keys", [1, 45, 700])
@pytest.mark.parametrize("name", KEY_BIASES)
@pytest.mark.parametrize("dim", [64, 128])
def test_biases_for_all_queries_and_heads(library, dim, name, keys, causal):  # noqa: F811
    q, k, v = operands((2, 4, 2, 300, keys), dim)
    k += torch.randn_like(k[:, :, :1]) * 2
    check(library, q, k, v, KEY_BIASES[name](keys).float(), causal, bound=0.05)


@pytest.mark.parametrize("bias", [-1e4, float("-inf")])
@pytest.mark.parametrize("large", [NAN, float("inf"), 1e4])
def test_keys_that_a_bias_hides_are_not_read(library, large, bias):  # noqa: F811
    """Biases that become weights hide keys as a boolean mask does."""
    q, k, v = operands((2, 2, 2, 200, 700), 128)
    shown = padding(2, 700)
    mask = torch.where(shown, torch.randn(2, 1, 1, 700, device="cuda"), bias)
    wanted, _ = expected(q, k, v, None, mask)
    for x in (k, v):
        for batch in range(2):
            x[batch, :, ~shown[batch, 0, 0]] = large
    output, _ = library.wgmma(q, k, v, mask=mask)
    assert relative(output, wanted) < 0.045


@pytest.mark.parametrize("dim", [64, 128])
def test_weights_of_long_rows(library, dim):  # noqa: F811
    q, k, v = operands((2, 2, 2, 300, 8192), dim)
    k += torch.randn_like(k[:, :, :1]) * 2
    for scale in (0.3, 1.0):
        mask = torch.randn(2, 1, 1, 8192, device="cuda", dtype=torch.bfloat16) * scale
        for values in (v, v + 1):
            output, lse = library.wgmma(q, k, values, mask=mask)
            wanted, wanted_lse = expected(q, k, values, None, mask)
            assert relative(output, wanted) < 0.036
            assert (lse - wanted_lse).abs().mean() < 2e-3
            if values is not v:
                assert abs(output.double().mean() / wanted.mean() - 1) < 2e-3


def test_weights_of_values_that_follow_them(library):  # noqa: F811
    """Heavy keys have values of one sign and light ones of the other, in one group of 32 and from group to group."""
    q, k, v = operands((1, 2, 2, 200, 4096), 128)
    key = torch.arange(4096, device="cuda")
    for heavy in (key % 2 == 0, key // 64 % 2 == 0):
        bias = torch.where(heavy, 2.0, -2.0)[None, None, None]
        values = v.abs() * torch.where(heavy, 1.0, -1.0)[None, None, :, None].to(v.dtype)
        output, _ = library.wgmma(q, k, values, mask=bias)
        wanted, _ = expected(q, k, values, None, bias)
        assert relative(output, wanted) < 0.036
        assert abs(output.double().mean() / wanted.mean() - 1) < 2e-3


def test_light_keys_of_large_scores(library):  # noqa: F811
    """The largest scores are those of keys whose weights are small, 2^-10 of their neighbours': the probabilities of
    those are then at the end of E4M3's range."""
    q, k, v = operands((1, 2, 2, 300, 1000), 128)
    light = random_bool(1000, share=0.1)
    direction = torch.randn(128, device="cuda", dtype=q.dtype)
    q = (0.3 * q + direction).contiguous()
    for gain in (0.05, 0.55, 1.0):  # of the light keys: far below the others after their bias, beside them, above
        raised = k.clone()
        raised[:, :, light] += gain * direction
        bias = torch.where(light, -6.9, 0.0).expand(1, 1, 1, 1000)
        wanted, _ = expected(q, raised, v, None, bias)
        added, _ = library.wgmma(q, raised, v, mask=bias.repeat(1, 2, 1, 1))  # biases of heads are no weights
        assert relative(library.wgmma(q, raised, v, mask=bias)[0], wanted) < 2.2 * relative(added, wanted)


@pytest.mark.parametrize("odd", [NAN, float("inf")])
def test_biases_that_are_no_numbers_are_added(library, odd):  # noqa: F811
    """In their batch alone: what they make of a row is no number either, or that of the key."""
    q, k, v = operands((2, 2, 2, 100, 300), 128)
    mask = torch.randn(2, 1, 1, 300, device="cuda")
    wanted, _ = library.wgmma(q[:1], k[:1], v[:1], mask=mask[:1])
    mask[1, 0, 0, 7] = odd
    output, _ = library.wgmma(q, k, v, mask=mask)
    assert torch.equal(output[:1], wanted)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_most_negative_numbers_hide_from_rows_that_see_other_keys(library, dtype):  # noqa: F811
    q, k, v = operands((1, 2, 2, 100, 300), 128)
    mask = torch.zeros(1, 1, 1, 300, device="cuda", dtype=dtype)
    mask[..., 100:] = torch.finfo(dtype).min
    assert relative(library.wgmma(q, k, v, mask=mask)[0], expected(q, k, v, None, mask)[0]) < 0.045
    mask[:] = torch.finfo(dtype).min
    output, _ = library.wgmma(q, k, v, mask=mask)
    if dtype != torch.float16:  # the scores are lost beside such numbers: all keys count alike
        assert relative(output, v.double().mean(2, keepdim=True).expand_as(q)) < 0.1


def test_a_graph_holds_the_mask(library):  # noqa: F811
    q, k, v = operands((2, 4, 4, 500, 500), 128)
    for make in (
        lambda: random_bool(2, 1, 1, 500),
        lambda: random_bool(2, 1, 500, 500),
        lambda: torch.randn(500, 500, device="cuda"),
    ):
        mask, output = make(), torch.full_like(q, NAN)
        params = library.params(q, k, v, output, mask=mask)
        workspace = torch.empty(library.workspace(params), dtype=torch.uint8, device="cuda")
        library.launch(params, workspace)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            library.launch(params, workspace)
        mask.copy_(make())
        graph.replay()
        assert torch.equal(output, library.wgmma(q, k, v, mask=mask, want_lse=False)[0])


def test_refusals(library):  # noqa: F811
    q, k, v = operands((1, 2, 2, 100, 101), 128)
    with pytest.raises(Failure, match="multiples of 4"):
        library.wgmma(q, k, v, mask=torch.zeros(1, 1, 100, 101, device="cuda"))
