"""Inputs and errors, on the CPU."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from bench import accuracy, cases, inputs

NAMES = [
    "hd8-s40-causal", "hd8-s40-k24-gqa4", "hd16-varlen5.33.17-causal-gqa2",
    "hd8-s40-k24-padding", "hd8-s40-pairs-gqa4", "hd8-s24-k40-bias",
]  # fmt: skip


def small(name: str) -> cases.Case:
    case = cases.parse(name)
    return cases.resized(case, None if case.lengths else 3, 8, None, None)


def naive(case: cases.Case, operands: inputs.Operands) -> torch.Tensor:
    """The whole output in float64, in the query's layout."""
    outputs = []
    group = case.heads // case.kv_heads
    for sequence, (q, k, v) in enumerate(operands.sequences()):
        k, v = (x.double().repeat_interleave(group, 0) for x in (k, v))
        scores = q.double() @ k.transpose(1, 2) / math.sqrt(case.head_dim)
        if operands.mask is not None:
            mask = operands.mask.expand(case.batch, case.heads, *scores.shape[1:])[sequence]
            scores = scores + (mask.double().log() if mask.dtype == torch.bool else mask)
        if case.causal:
            scores = scores + torch.full(scores.shape[1:], -math.inf).triu(1)
        outputs.append(scores.softmax(-1) @ v)
    if case.lengths:
        return torch.cat([output.transpose(0, 1) for output in outputs])
    return torch.stack(outputs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", list(inputs.VALUES))
def test_the_reference_has_no_error(
    name: str, values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "SCORES", 100)  # a few rows at a time
    case = small(name)
    operands = inputs.make(case, values, "cpu")
    output = naive(case, operands)
    assert output.shape == operands.q.shape
    found = accuracy.errors(case, output, accuracy.references(case, operands, torch.float64))
    assert found.relative_l1 < 1e-12
    assert found.cosine == pytest.approx(1.0)
    assert abs(found.mean_error) < 1e-12


def test_errors_are_what_they_say() -> None:
    case = small("hd8-s40")
    operands = inputs.make(case, "randn+1", "cpu")
    expected = accuracy.references(case, operands, torch.float64)
    output = naive(case, operands)
    magnitude = sum(part.abs().sum() for part in expected) / sum(part.sum() for part in expected)
    found = accuracy.errors(case, output * 0.94, expected)
    assert found.relative_l1 == pytest.approx(0.06)
    assert found.mean_error == pytest.approx(-0.06 / magnitude.item())
    assert found.cosine == pytest.approx(1.0)
    output[0, 0, 3, 2] = math.nan
    assert all(map(math.isnan, accuracy.errors(case, output, expected)))


def test_heads_of_the_longest_and_of_the_shortest_sequence() -> None:
    assert accuracy.places(small("hd16-varlen5.33.17")) == [(1, 0), (0, 7)]
    assert accuracy.places(small("hd8-s40")) == [(0, 0), (2, 7)]


@pytest.mark.parametrize("name", NAMES)
def test_operands(name: str) -> None:
    case = small(name)
    first, again = (inputs.make(case, device="cpu") for _ in range(2))
    assert torch.equal(first.q, again.q) and torch.equal(first.v, again.v)
    assert first.q.dtype == torch.bfloat16
    rows = [(q.shape[1], k.shape[1]) for q, k, _ in first.sequences()]
    assert rows == case.sequences()


@pytest.mark.parametrize(
    ("mask", "shape", "dtype", "seen"),
    [
        ("padding", (3, 1, 1, 24), torch.bool, 0.75),
        ("pairs", (3, 1, 40, 24), torch.bool, 0.9),
        ("bias", (1, 8, 40, 24), torch.bfloat16, None),
    ],
)
def test_masks(mask: str, shape: tuple[int, ...], dtype: torch.dtype, seen: float | None) -> None:
    found = inputs.make(small(f"hd8-s40-k24-{mask}"), device="cpu").mask
    assert found is not None and (found.shape, found.dtype) == (shape, dtype)
    if seen is not None:
        assert found[..., 0].all()
        assert found.float().mean().item() == pytest.approx(seen, abs=0.02)


def test_the_ramp_runs_along_each_sequence() -> None:
    case = small("hd16-varlen50.30")
    plain, ramp = (inputs.make(case, values, "cpu") for values in ("randn", "randn+ramp"))
    assert torch.equal(plain.k, ramp.k)
    for (_, _, before), (_, _, after) in zip(plain.sequences(), ramp.sequences()):
        added = (after.float() - before.float()).mean((0, 2))
        assert added[0].item() == pytest.approx(0.0, abs=0.05)
        assert added[-1].item() == pytest.approx(4.0, abs=0.05)
