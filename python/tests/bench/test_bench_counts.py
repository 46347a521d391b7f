"""FLOPs against counting by hand, and statistics."""

from __future__ import annotations

import pytest

from bench import cases, counts


def by_hand(query_rows: int, key_rows: int, causal: str) -> int:
    shift = key_rows - query_rows if causal == "bottom_right" else 0
    return sum(
        not causal or key <= query + shift for query in range(query_rows) for key in range(key_rows)
    )


@pytest.mark.parametrize("causal", ["", "top_left", "bottom_right"])
@pytest.mark.parametrize(
    ("query_rows", "key_rows"), [(1, 1), (5, 5), (3, 7), (7, 3), (1, 9), (9, 1)]
)
def test_visible_pairs(query_rows: int, key_rows: int, causal: str) -> None:
    assert counts.visible_pairs(query_rows, key_rows, causal) == by_hand(
        query_rows, key_rows, causal
    )


def test_an_unknown_alignment_is_refused() -> None:
    with pytest.raises(ValueError, match="sideways"):
        counts.visible_pairs(1, 1, "sideways")


def test_flops_of_published_cases() -> None:
    full = counts.flops(cases.parse("hd128-s8192"))
    assert full == 4 * 2 * 32 * 8192 * 8192 * 128
    assert counts.flops(cases.parse("hd128-s8192-causal")) == full / 2
    assert counts.flops(cases.parse("hd128-s8192-gqa4")) == full


def test_flops_of_unequal_lengths_are_exact() -> None:
    case = cases.parse("hd64-s5-k3-causal")
    assert counts.flops(case) == 4 * 2 * 32 * 64 * by_hand(5, 3, "top_left")


def test_flops_of_sequences_add_up() -> None:
    case = cases.parse("hd64-varlen3.5")
    assert counts.flops(case) == 4 * 32 * 64 * (9 + 25)


def test_spread() -> None:
    found = counts.spread([3.0, 1.0, 2.0, 2.0])
    assert found == counts.Spread(2.0, 1.0, 3.0, 4)
    assert found.percent == 100.0


@pytest.mark.parametrize("samples", [[], [1.0, 0.0], [-1.0]])
def test_times_must_be_positive(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="no time"):
        counts.spread(samples)


def test_tflops() -> None:
    assert counts.tflops(4e12, 4.0) == pytest.approx(1000.0)


@pytest.mark.parametrize(("total", "most"), [(1, 10), (4, 10), (10, 10), (27, 10), (1000, 10)])
def test_chunks(total: int, most: int) -> None:
    found = counts.chunks(total, most)
    assert sum(found) == total
    assert len(found) == min(total, most)
    assert max(found) - min(found) <= 1


def test_repeats() -> None:
    assert counts.repeats(0.4, 2.0, 4) == 200
    assert counts.repeats(0.4, 300.0, 4) == 4
    assert counts.repeats(0.4, 0.0, 4) > 0
