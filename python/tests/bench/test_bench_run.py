"""How a plan is executed, on the CPU: only the clock and the GPU's events are replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from bench import attention, cases, environment, inputs, methods, plan, record, run
from bench.methods.base import Calls, Method
from bench.nvml import Load

CASE = cases.resized(cases.parse("hd8-s1200"), 1, 2, None, None)
MODES = ["sustained", "graph", "bursts", "cold"]


class Sdpa(Method):
    """Attention by torch on the CPU; it may break at a step."""

    def __init__(self, name: str, breaks: str = "") -> None:
        self.name, self._breaks = name, breaks

    def why_missing(self) -> str:
        return ""

    def prepare(self, case: cases.Case, operands: inputs.Operands) -> Calls:
        self._at("prepare")

        def whole() -> Any:
            self._at("call")
            return torch.nn.functional.scaled_dot_product_attention(*operands[:3])

        return Calls({"whole": whole}, whole, "a kernel")

    def _at(self, step: str) -> None:
        if step == self._breaks:
            raise RuntimeError(f"{self.name} breaks\nat {step}")


class Timing:
    """Calls once; every call takes 2 ms."""

    @staticmethod
    def sustained(call: Callable[[], Any], seconds: float, gpu: object) -> Any:
        call()
        return [2.0, 2.2, 1.9], Load(1500.0, 600.0)

    replayed = sustained

    @staticmethod
    def bursts(calls: list[Callable[[], Any]]) -> list[list[float]]:
        return [[2.0, 2.0] for call in calls if call() is not None]

    @staticmethod
    def flusher(cache: int) -> Callable[[], None]:
        return nothing

    @staticmethod
    def cold(call: Callable[[], Any], flush: Callable[[], Any]) -> list[float]:
        call()
        return [2.0]


@pytest.fixture
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    make = inputs.make
    properties = SimpleNamespace(name="no GPU", major=0, minor=0, L2_cache_size=1)
    monkeypatch.setattr(inputs, "make", lambda case, values="randn": make(case, values, "cpu"))
    monkeypatch.setattr(run, "timing", Timing)
    for name in ("synchronize", "empty_cache", "current_device"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)


@pytest.fixture
def execute(_on_the_cpu: None, results: record.Results) -> Callable[..., record.Results]:
    def function(
        methods: list[Method], settings: run.Settings, saved: Callable[[], None]
    ) -> record.Results:
        found = record.Results(results.environment)
        run.execute(plan.make([CASE], methods, MODES), settings, found, None, saved)
        return found

    return function


def nothing() -> None:
    pass


def test_every_mode_gives_a_figure(execute: Callable[..., record.Results]) -> None:
    saved: list[int] = []
    found = execute([Sdpa("a"), Sdpa("b")], run.Settings(), lambda: saved.append(1))
    assert [(f.method, f.mode) for f in found.figures] == [
        (m, mode) for mode in MODES for m in "ab"
    ]
    first = found.figures[0]
    assert (first.milliseconds, first.low, first.high, first.samples) == (2.0, 1.9, 2.2, 3)
    assert first.tflops == pytest.approx(4 * 2 * 8 * 1200 * 1200 / 2e-3 / 1e12)
    assert (first.clock_mhz, first.watts, first.kernel) == (1500.0, 600.0, "a kernel")
    assert [(a.method, a.values) for a in found.accuracies] == [
        (m, v) for v in inputs.VALUES for m in "ab"
    ]
    assert max(a.relative_l1 for a in found.accuracies) < 0.01
    assert found.gaps == [] and saved == [1]
    assert record.from_json(record.to_json(found)) == found


def test_methods_take_turns_in_rounds(
    execute: Callable[..., record.Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that drifts from round to round does so for both; samples of all rounds count."""
    turn = iter(range(6))

    def drifting(call: Callable[[], Any], seconds: float, gpu: object) -> Any:
        round_ = next(turn) // 2
        return [1.0 + round_] * 2, Load(1500.0 - 100 * round_, None)

    monkeypatch.setattr(Timing, "sustained", staticmethod(drifting))
    found = execute([Sdpa("a"), Sdpa("b")], run.Settings(rounds=3), nothing)
    for figure in [f for f in found.figures if f.mode == "sustained"]:
        assert (figure.milliseconds, figure.low, figure.high) == (2.0, 1.0, 3.0)
        assert (figure.samples, figure.clock_mhz, figure.watts) == (6, 1400.0, None)


@pytest.mark.parametrize("step", ["prepare", "call"])
def test_a_method_that_breaks_leaves_the_others(
    execute: Callable[..., record.Results], step: str
) -> None:
    found = execute([Sdpa("a", step), Sdpa("b")], run.Settings(), nothing)
    assert found.gaps == [
        record.Gap(CASE.name, "a", f"RuntimeError: a breaks at {step}", failed=True)
    ]
    assert [f.method for f in found.figures] == ["b"] * 4
    assert {a.method for a in found.accuracies} == {"b"}


def test_a_lost_gpu_ends_the_run(
    execute: Callable[..., record.Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch.cuda, "synchronize", lost)
    saved: list[int] = []
    with pytest.raises(run.DeviceLostError):
        execute([Sdpa("a", "prepare"), Sdpa("b")], run.Settings(), lambda: saved.append(1))
    assert saved == [1]


def test_a_spent_budget_is_said(
    execute: Callable[..., record.Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 100.0])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(times))
    found = execute([Sdpa("a")], run.Settings(budget=50.0), nothing)
    assert found.gaps == [record.Gap(CASE.name, "a", run.TOO_LATE)]
    assert found.figures == []


def test_a_case_that_does_not_fit_leaves_the_others(
    execute: Callable[..., record.Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(case: cases.Case, values: str = "randn") -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(inputs, "make", full)
    saved: list[int] = []
    found = execute([Sdpa("a"), Sdpa("b")], run.Settings(), lambda: saved.append(1))
    assert [(gap.method, gap.failed) for gap in found.gaps] == [("a", True), ("b", True)]
    assert found.gaps[0].reason == "OutOfMemoryError: out of memory"
    assert saved == [1]


@pytest.fixture
def main(_on_the_cpu: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line with these methods, on the case of this file."""
    monkeypatch.setattr(environment, "why_no_gpu", lambda: "")
    monkeypatch.setattr(environment, "gpu", lambda: (None, "no clock"))

    def function(found: list[Method], *arguments: str) -> int:
        monkeypatch.setattr(methods, "all_methods", lambda _: found)
        shape = ["--head-dim", "8", "--sequence", "1200", "--batch", "1", "--heads", "2"]
        return attention.main([*shape, *arguments])

    return function


class Absent(Sdpa):
    def why_missing(self) -> str:
        return "it is not here; install it"


def test_a_run_from_the_command_line(
    main: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "out.json", tmp_path / "out.md"]
    status = main(
        [Sdpa("a"), Absent("b")],
        "--values",
        "randn",
        "--json",
        str(files[0]),
        "--markdown",
        str(files[1]),
    )
    output = capsys.readouterr().out
    assert status == attention.OK
    assert "missing: b: it is not here; install it" in output
    found = record.from_json(files[0].read_text())
    assert [(f.method, f.mode, f.milliseconds) for f in found.figures] == [("a", "sustained", 2.0)]
    assert [a.values for a in found.accuracies] == ["randn"]
    assert found.environment.notes == ["no clock"]
    assert found.environment.command.startswith("python -m bench.attention --head-dim 8")
    assert found.environment.commit != ""
    assert "| a | whole | sustained | 2.000 |" in files[1].read_text()
    assert "Kernels: a: a kernel." in files[1].read_text()
    assert json.loads(files[0].read_text())["gaps"][0]["method"] == "b"


class Own(Sdpa):
    peer = False


def test_the_exit_status_says_that_a_method_failed(main: Callable[..., int]) -> None:
    assert main([Own("a", "call"), Sdpa("b")], "--values", "none") == attention.FAILED
    assert main([Own("a"), Sdpa("b", "call")], "--values", "none") == attention.OK


def test_nothing_to_measure(main: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([Absent("b")]) == attention.NO_GPU
    assert "error: nothing can be measured" in capsys.readouterr().err
