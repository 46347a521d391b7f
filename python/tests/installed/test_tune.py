"""tune: what is measured, what is left out, what is taken, and how a table is shown. Times are made up here."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from sageattention import _tune, _tune_gpu, _tune_main, _tune_report
from sageattention._table import Machine, Shape, Table

MACHINE = Machine("NVIDIA <Test>", "580.1", "2.8.0", "9.10", "2.2.0")
LONG, SHORT = Shape(128, False, "", False, 4096, 4096, 64), Shape(128, False, "", False, 256, 256, 64)


def times_of(monkeypatch: pytest.MonkeyPatch, estimate: float, behind_others: float, alone: float) -> float:
    """What timed() says of a call for whose samples these are the times, and the estimate before all."""
    made: list[bool] = []

    def samples(call: Callable[[], object], count: int, number: int, before: int = 0) -> list[float]:
        made.append(before > 0)
        return [estimate if len(made) == 1 else behind_others if before else alone] * number

    monkeypatch.setattr(_tune_gpu, "_samples", samples)
    return _tune_gpu.timed(lambda: None)


def test_a_host_that_stops_for_a_moment_makes_no_call_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_of(monkeypatch, 900.0, 76.0, 21.0) == 21.0, "76: a call waits for the host, which queues it"
    assert times_of(monkeypatch, 700.0, 720.0, 650.0) == 720.0, "a long call counts behind a warm-up"
    assert times_of(monkeypatch, 21.0, 76.0, 22.0) == 22.0


def source(
    times: dict[str, float], default: str = "fp16", log: list[tuple[str, Shape]] | None = None
) -> _tune.Source:
    def microseconds(name: str, shape: Shape) -> float:
        if log is not None:
            log.append((name, shape))
        if times[name] < 0:
            raise RuntimeError("no kernel\nfor this")
        return times[name]

    return _tune.Source(lambda shape: [*times], lambda shape: default, microseconds)


@pytest.mark.parametrize(
    ("times", "kernel", "handed"),
    [
        ({"fp16": 10, "fp8": 9, "torch": 12}, "fp8", False),
        ({"fp16": 10, "fp8": 9.9, "torch": 12}, "fp16", False),
        ({"fp16": 10, "torch": 9}, "fp16", True),
        ({"fp16": 10, "torch": 9.9}, "fp16", False),
        ({"fp16": 10, "torch": 11, "torch cudnn": 5}, "fp16", False),
        ({"fp8": 10}, "fp8", False),
        ({"triton": 3, "fp16": 10, "torch": 2}, "triton", True),
        ({"fp16": 10, "fp8_scaled": 9, "torch": 12}, "fp8_scaled", False),
    ],
)
def test_what_is_taken(times: dict[str, float], kernel: str, handed: bool) -> None:
    cell = _tune.judge(LONG, times, "fp16")
    assert cell is not None and (cell.kernel, cell.torch) == (kernel, handed)


def test_without_a_kernel_of_ours_there_is_no_cell() -> None:
    assert _tune.judge(LONG, {"torch": 1.0}, "fp16") is None


def test_what_fails_is_told_and_not_taken() -> None:
    result = _tune.measure([LONG, SHORT], source({"fp16": 10, "fp8": -1}))
    assert [cell.kernel for cell in result.cells] == ["fp16", "fp16"]
    assert result.notes == ("fp8 (head dim 128, plain): no kernel for this",)


def test_what_is_far_behind_in_long_calls_is_not_tried_again() -> None:
    log: list[tuple[str, Shape]] = []
    causal = LONG._replace(causal=True)
    times = {"fp16": 10, "fp8": 20, "triton": 30, "torch": 40, "torch flash": 20, "torch efficient": 90}
    _tune.measure([LONG, SHORT, causal], source(times, log=log))
    assert [name for name, shape in log if shape == LONG] == [*times]
    assert [name for name, shape in log if shape == SHORT] == ["fp16", "torch", "torch flash"]
    assert [name for name, shape in log if shape == causal] == [name for name in times if name != "triton"]


def test_what_is_far_behind_in_short_calls_is_tried_on_longer_ones() -> None:
    """And what is far behind with plain heads is not tried on groups of them."""
    log: list[tuple[str, Shape]] = []
    grouped = SHORT._replace(group=4)
    _tune.measure([SHORT, LONG, grouped], source({"fp16": 10, "fp8": 20}, log=log))
    assert [shape for name, shape in log if name == "fp8"] == [SHORT, LONG]
    assert [shape for name, shape in log if name == "fp16"] == [SHORT, LONG, grouped]


def test_the_time_is_kept() -> None:
    ticks = iter(range(100))
    clock: Callable[[], float] = lambda: float(next(ticks))  # noqa: E731
    result = _tune.measure([LONG, SHORT, LONG, SHORT], source({"fp16": 1.0}), 2.0, clock)
    assert len(result.cells) == 2
    assert result.notes == ("2 calls were not measured: 2 seconds were over",)


def test_shapes() -> None:
    wanted = [*_tune.shapes()]
    assert len(set(wanted)) == len(wanted)
    assert wanted[0] == LONG, "what the time may not suffice for comes last"
    for kind in {shape.kind for shape in wanted}:
        plain = [shape.extent for shape in wanted if shape.kind == kind and shape.group == 1]
        corner = tuple(map(max, zip(*plain)))
        assert corner in plain, "every call must find a cell"


def test_what_comes_last_has_the_cell_of_a_call_that_came_before() -> None:
    """Groups that of plain heads, few heads that of many."""
    wanted = [*_tune.shapes()]
    place = {shape: index for index, shape in enumerate(wanted)}
    for shape in wanted:
        assert place[shape._replace(group=1)] <= place[shape]
        assert place[shape._replace(heads=64)] <= place[shape]
    wide = [place[shape] for shape in wanted if (shape.head_dim, shape.heads) == (256, 64)]
    assert max(wide) < min(place[shape] for shape in wanted if shape.group > 1)


def test_which_groups() -> None:
    wanted = [*_tune.shapes()]
    assert {shape.group for shape in wanted} == {1, 4}
    for head_dim, causal in itertools.product((64, 128), (False, True)):
        assert Shape(head_dim, causal, "", False, 2048, 2048, 64, 4) in wanted


def table() -> Table:
    times = {"fp16": 10.0, "torch": 8.0, "torch cudnn": 8.0}
    return Table(MACHINE, _tune.measure(_tune.shapes(), source(times)).cells)


def test_text_and_picture() -> None:
    found = table()
    text = _tune_report.text(found)
    assert "head dim 256, sequences behind each other, causal" in text
    assert text.count("torch 8") == len(found.cells)
    assert "head dim 128, causal, groups of 4\n" in text and "N query heads share a key head" in text
    assert text.splitlines()[6].split()[:5] == ["64", "4096", "16", "torch", "0.80"]
    root = ElementTree.fromstring(_tune_report.svg(found))
    circles = [*root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == len(found.cells)
    assert all(circle.get("fill") == "white" for circle in circles)
    sizes = float(root.get("width", "0")), float(root.get("height", "0"))
    assert all(0 < float(c.get("cx", "-1")) < sizes[0] and 0 < float(c.get("cy", "-1")) < sizes[1] for c in circles)
    assert _tune_report.svg(Table(MACHINE, ())).endswith("</svg>\n")


def test_a_user_without_a_home_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    assert not _tune_main._store(table())
    assert capsys.readouterr().err == "error: the table is not stored: Could not determine home directory.\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu() -> None:
    command = [sys.executable, "-m", "sageattention", "tune"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
    assert result.returncode == 3 and result.stdout == ""
    assert result.stderr.startswith("error: no GPU: ")


def test_json_of_the_table() -> None:
    assert Table.from_json(json.loads(json.dumps(table().to_json()))) == table()
