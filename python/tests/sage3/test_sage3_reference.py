"""The arithmetic that --check compares with: roundings, errors against exact attention, and the product of lanes."""

from __future__ import annotations

import pytest
import torch

from sageattn3 import _check, reference

E2M1 = sorted({sign * value for value in reference.E2M1 for sign in (1, -1)})


def test_e2m1_is_the_nearest_with_ties_to_even() -> None:
    x = torch.linspace(-8, 8, 4097, dtype=torch.float64)
    values = torch.tensor(E2M1, dtype=torch.float64)
    distance = (x[:, None] - values).abs()
    assert torch.equal((reference.to_e2m1(x) - x).abs(), distance.amin(1))
    halves = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.0, 100.0])
    assert reference.to_e2m1(halves).tolist() == [0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0]


def test_e4m3_saturates() -> None:
    x = torch.tensor([0.0, 2.0**-10, 2.0**-9, 1.0625, 1.1875, 447.0, 460.0, 1e9])
    assert reference.to_e4m3(x).tolist() == [0.0, 0.0, 2.0**-9, 1.0, 1.25, 448.0, 448.0, 448.0]


def relative(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float]:
    a, b = a.flatten(), b.flatten()
    cosine = float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
    return cosine, float((a - b).abs().sum() / b.abs().sum())


def operands(rows: int, keys: int, head_dim: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(rows)
    return tuple(torch.randn(1, 2, n, head_dim, generator=generator, dtype=torch.float64) for n in (rows, keys, keys))


def test_accuracy_on_normal_inputs() -> None:
    """The gates of docs/blackwell.md."""
    q, k, v = operands(256, 2048, 128)
    exact = torch.softmax(q @ k.transpose(2, 3) * 128**-0.5, -1) @ v
    cosine, l1 = relative(reference.attention(q, k, v)[0], exact)
    assert cosine >= 0.984 and l1 <= 0.18


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_size_of_values_does_not_matter(scale: float) -> None:
    q, k, v = operands(64, 256, 64)
    exact = torch.softmax(q @ k.transpose(2, 3) / 8, -1) @ v
    cosine, _ = relative(reference.attention(q, k, v * scale)[0] / scale, exact)
    assert cosine > 0.98


def test_causal_is_bottom_right_and_lse_is_right() -> None:
    q, k, v = operands(70, 40, 64)
    seen = torch.ones(70, 40, dtype=torch.bool).tril(-30)
    scores = (q @ (k + 2).transpose(2, 3) / 8).masked_fill(~seen, -torch.inf)
    output, lse = reference.attention(q, k + 2, v, is_causal=True)
    assert bool((output[:, :, :30] == 0).all()) and bool((lse[:, :, :30] == -torch.inf).all())
    assert float((lse - scores.logsumexp(-1))[:, :, 30:].abs().max()) < 0.3
    bias = torch.where(torch.arange(40) < 25, 0.0, -torch.inf)
    hidden, _ = reference.attention(q, k, v, bias=bias[None, None])
    alone, _ = reference.attention(q, k[:, :, :25], v[:, :, :25], smooth_v=False)
    assert relative(hidden, alone)[0] > 0.98


def test_smooth_values_keep_their_mean() -> None:
    q, k, v = operands(64, 256, 64)
    output, _ = reference.attention(q, k, v + 5)
    assert abs(float(output.mean()) / float((v + 5).mean()) - 1) < 0.002


def test_product_reads_the_lanes_of_its_selectors() -> None:
    words = _check.words()
    plain = reference.product(words, 0, 0)
    for select_a, select_b in _check.SELECTORS[1:]:
        assert reference.product(words, select_a, select_b) != plain
    rubbish = [list(lane) for lane in words]
    for lane in range(32):
        if lane % 4 > 1:
            rubbish[lane][6] = 0x7E7E7E7E
        if lane % 4:
            rubbish[lane][7] = 0x7E7E7E7E
    assert reference.product(rubbish, 0, 0) == plain


def test_product_of_ones() -> None:
    words = [[0x22222222] * 6 + [0x38383838] * 2 for _ in range(32)]
    assert reference.product(words, 1, 3) == [[64.0] * 4] * 32


def test_lse_has_the_smoothing_put_back() -> None:
    """Keys with a mean shift all scores of a row; a row alone in its block is its own mean."""
    q, k, v = operands(1, 77, 40)
    lse = reference.attention(q, k + 1, v)[1]
    exact = (q @ (k + 1).transpose(2, 3) * 40**-0.5).logsumexp(-1)
    assert float((lse - exact).abs().max()) < 0.03
