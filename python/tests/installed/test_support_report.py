"""The accuracy report must not lose a bad result behind good ones."""

from __future__ import annotations

from support.accuracy import Accuracy
from support.cases import Case
from support.report import Measurement, render

CASE = Case(1, 8, 8, 17, 17, 64)
GOOD, BAD = Accuracy(0.99995, 0.01), Accuracy(0.9, 0.5)
NAN = Accuracy(float("nan"), float("nan"))


def table(*accuracies: Accuracy) -> str:
    measured = [Measurement(CASE, "HND", accuracy, 0.001) for accuracy in accuracies]
    return render(measured, {"GPU": "none"})


def test_worst_result_of_a_group_is_shown() -> None:
    text = table(GOOD, BAD, GOOD)
    assert "3 calls against float64 attention, 1 outside" in text
    assert (
        "| sageattn | 64 | float16 | full | 17 x 17 | 3 | 0.900000 | 0.50000 | 0.001000 |" in text
    )


def test_nan_is_the_worst_wherever_it_stands() -> None:
    for order in ((NAN, GOOD), (GOOD, NAN)):
        assert "| 2 | nan | nan |" in table(*order)


def test_groups_are_apart() -> None:
    other = Measurement(CASE._replace(is_causal=True), "NHD", GOOD, 0.0)
    text = render([Measurement(CASE, "HND", GOOD, 0.0), other], {})
    assert text.count("17 x 17") == 2
