"""Which calls are timed, with a clock of calls for the GPU's: one call takes 3 ms."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from bench import timing

MILLISECONDS = 3.0


class Gpu:
    """Counts what is queued; events tell the time of what was queued before them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = self.flushes = 0
        gpu = self

        class Event:
            time = 0.0

            def record(self) -> None:
                self.time = MILLISECONDS * gpu.calls + 100.0 * gpu.flushes

            def synchronize(self) -> None:
                pass

            def elapsed_time(self, end: Event) -> float:
                return end.time - self.time

        monkeypatch.setattr(timing, "_event", Event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    def call(self) -> None:
        self.calls += 1

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return Gpu(monkeypatch)


def test_sustained_warms_up_as_long_as_it_measures(gpu: Gpu) -> None:
    times, load = timing.sustained(gpu.call, 0.3, None)
    assert times == pytest.approx([MILLISECONDS] * timing.SAMPLES)
    assert gpu.calls == 3 + 2 * 100  # one to load, two to estimate, then 0.3 s twice
    assert load.clock_mhz is None


def test_a_long_call_is_measured_a_few_times(gpu: Gpu) -> None:
    times, _ = timing.sustained(gpu.call, 0.003, None)
    assert len(times) == timing.LEAST_CALLS


def test_a_replay_counts_its_calls(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        timing, "captured", lambda call: lambda: [call() for _ in range(timing.GRAPH_CALLS)]
    )
    times, _ = timing.replayed(gpu.call, 0.1, None)
    assert times == pytest.approx([MILLISECONDS] * len(times))


def test_bursts_take_turns(gpu: Gpu) -> None:
    turns: list[str] = []

    def first() -> None:
        turns.append("a")
        gpu.call()

    def second() -> None:
        turns.append("b")
        gpu.call()
        gpu.call()

    found = timing.bursts([first, second])
    assert found[0] == pytest.approx([MILLISECONDS] * timing.ROUNDS)
    assert found[1] == pytest.approx([2 * MILLISECONDS] * timing.ROUNDS)
    assert "".join(turns[-12:]) == "a" * 8 + "b" * 4


def test_cold_calls_come_after_a_flush(gpu: Gpu) -> None:
    assert timing.cold(gpu.call, gpu.flush) == pytest.approx([MILLISECONDS] * timing.COLD_CALLS)
    assert gpu.flushes == timing.COLD_CALLS


def test_the_host_is_timed_without_waiting_for_the_gpu(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(gpu.calls))
    times = timing.host(gpu.call, lambda: gpu.calls * 0.000045)
    assert times == pytest.approx([0.045] * timing.SAMPLES)
    assert waits[1:] == [3 + timing.HOST_CALLS * sample for sample in range(timing.SAMPLES + 1)]
