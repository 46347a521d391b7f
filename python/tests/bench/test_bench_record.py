"""JSON, ratios, tables and bars."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from bench_samples import figure

from bench import plot, record, table


def test_json_round_trip(results: record.Results) -> None:
    assert record.from_json(record.to_json(results)) == results


def test_write_replaces(results: record.Results, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    record.write(results, path)
    assert record.from_json(path.read_text()) == results
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema"),
        ({"figures": [{"case": "x"}]}, "figure"),
        ({"figures": [{"unknown": 1}]}, "figure"),
        ({"gaps": [3]}, "gap"),
    ],
)
def test_other_json_is_refused(
    results: record.Results, change: dict[str, object], message: str
) -> None:
    data = {**json.loads(record.to_json(results)), **change}
    with pytest.raises(ValueError, match=message):
        record.from_json(json.dumps(data))


def test_json_that_lacks_a_part(results: record.Results) -> None:
    data = json.loads(record.to_json(results))
    del data["gaps"]
    with pytest.raises(ValueError, match="gaps"):
        record.from_json(json.dumps(data))
    with pytest.raises(ValueError, match="schema"):
        record.from_json("[]")


def test_ratios(results: record.Results) -> None:
    kernel, whole = results.figures[:2]
    assert record.ratio(results.figures, kernel, "torch-cudnn") == 2.0
    assert record.ratio(results.figures, whole, "torch-cudnn") == pytest.approx(1.6)
    assert record.ratio(results.figures, kernel, "cudnn-fp8") == pytest.approx(1.1)
    assert record.ratio(results.figures, whole, "cudnn-fp8") is None
    assert record.ratio(results.figures, kernel, "nobody") is None


def test_ratios_stay_within_case_and_mode(results: record.Results) -> None:
    others = [
        figure("sageattn", "kernel", 1.0, mode="cold"),
        figure("sageattn", "kernel", 1.0, case="hd64-s1"),
    ]
    for other in others:
        assert record.ratio([*results.figures, other], other, "torch-cudnn") is None


def test_text_says_all(results: record.Results) -> None:
    text = table.text(results)
    for word in (
        "× torch-cudnn",
        "2.00",
        "1.60",
        "1600 MHz",
        "700 W",
        "-0.120 %",
        "0.03510",
        "comfy-int8: not installed",
    ):
        assert word in text
    assert "fp16 (hd128-s8192): FAILED: it broke" in text
    assert record.MODES["sustained"] in text


def test_markdown_rows_are_even(results: record.Results) -> None:
    rows = [line for line in table.markdown(results).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4 + 2 + 1
    speed, accuracy = rows[:6], rows[6:]
    assert len({line.count("|") for line in speed}) == 1
    assert len({line.count("|") for line in accuracy}) == 1


def test_results_fail_if_a_method_of_the_package_did(results: record.Results) -> None:
    assert results.failed
    results.gaps[-1] = record.Gap("hd128-s8192", "cudnn-fp8", "no kernel for this GPU", failed=True)
    assert not results.failed


def test_bars_leave_room_for_what_is_missing() -> None:
    figures = [
        figure("a", "whole", 1.0, "x"),
        figure("a", "whole", 2.0, "y"),
        figure("b", "kernel", 4.0, "y"),
    ]
    groups, series = plot.bars(figures)
    assert groups == ["x, sustained", "y, sustained"]
    assert series["a whole"] == [8.0, 4.0]
    assert math.isnan(series["b kernel"][0])
    assert series["b kernel"][1] == 2.0


def test_a_picture_is_written(results: record.Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot.write(results, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
