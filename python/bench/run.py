"""Executes a plan on the GPU: case by case, speed first, then accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from . import accuracy, inputs, timing
from .cases import Case
from .counts import flops, spread, tflops
from .methods.base import Calls, Method
from .nvml import Gpu, Load, mean_load
from .plan import Job, Plan
from .record import Accuracy, Figure, Gap, Results
from .table import line

TOO_LATE = "no time was left: see --budget"


@dataclass(frozen=True)
class Settings:
    """seconds of each sustained or replayed method, in so many rounds, in which methods take turns; budget: after so
    many seconds no case is begun (0: no limit)."""

    seconds: float = 0.4
    budget: float = 0.0
    rounds: int = 1
    values: Sequence[str] = tuple(inputs.VALUES)
    reference: str = "float64"


class DeviceLostError(RuntimeError):
    """The GPU no longer answers: nothing more can be measured in this process."""


def execute(
    plan: Plan,
    settings: Settings,
    results: Results,
    gpu: Gpu | None,
    saved: Callable[[], None],
) -> None:
    """Adds to results. saved is called after every case. Raises DeviceLostError after saving what there is."""
    start = time.monotonic()
    for case in plan.cases():
        jobs = plan.of(case)
        if settings.budget and time.monotonic() - start > settings.budget:
            results.gaps += [Gap(case.name, name, TOO_LATE) for name in _names(jobs)]
            continue
        results.shapes[case.name] = case.shape
        try:
            _Run(case, jobs, settings, results, gpu).all()
        except DeviceLostError:
            raise
        except RuntimeError as error:  # the case's own tensors: out of memory
            results.gaps += [Gap(case.name, name, reason(error), True) for name in _names(jobs)]
            print(f"{case.name}  FAILED: {reason(error)}", flush=True)
        finally:
            saved()
        torch.cuda.empty_cache()


def _names(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.method.name for job in jobs))


def reason(error: BaseException) -> str:
    """One line of what was raised."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".rstrip(": ")


class _Run:
    """One case."""

    def __init__(
        self, case: Case, jobs: list[Job], settings: Settings, results: Results, gpu: Gpu | None
    ) -> None:
        self._case, self._jobs, self._settings = case, jobs, settings
        self._results, self._gpu = results, gpu
        self._methods = list({job.method.name: job.method for job in jobs}.values())
        self._broken: set[tuple[str, str]] = set()

    def all(self) -> None:
        operands = inputs.make(self._case)
        calls: dict[str, Calls] = {}
        for method in self._methods:
            with self._guard(method):
                calls[method.name] = method.prepare(self._case, operands)
        for mode in dict.fromkeys(job.mode for job in self._jobs):
            jobs = [job for job in self._jobs if job.mode == mode and job.method.name in calls]
            if mode == "bursts":
                self._bursts(jobs, calls)
                continue
            self._in_turn(jobs, calls)
        calls.clear()
        del operands
        torch.cuda.empty_cache()
        for values in self._settings.values:
            self._accuracies(values)

    def _guard(self, method: Method, part: str = "") -> _Guard:
        """part "": what concerns all of them."""
        parts = (part,) if part else method.parts(self._case)
        return _Guard(self._case, method, self._results, self._broken, parts)

    def _all_broken(self, method: Method) -> bool:
        return all((method.name, part) in self._broken for part in method.parts(self._case))

    def _in_turn(self, jobs: list[Job], calls: dict[str, Calls]) -> None:
        """Every job once a round, so that what drifts, such as the GPU's clock, drifts for all of them."""
        found: dict[Job, tuple[list[float], list[Load]]] = {job: ([], []) for job in jobs}
        for _ in range(self._settings.rounds):
            for job, (times, loads) in found.items():
                if (job.method.name, job.part) not in self._broken:
                    with self._guard(job.method, job.part):
                        more, load = self._measure(job, calls[job.method.name].parts[job.part])
                        times += more
                        loads.append(load)
        for job, (times, loads) in found.items():
            if (job.method.name, job.part) not in self._broken:
                with self._guard(job.method, job.part):
                    self._add(job, times, mean_load(loads), calls[job.method.name].kernel)

    def _measure(self, job: Job, call: timing.Call) -> tuple[list[float], Load]:
        if job.mode == "sustained":
            return timing.sustained(call, self._settings.seconds, self._gpu)
        if job.mode == "graph":
            return timing.replayed(call, self._settings.seconds, self._gpu)
        if job.mode == "host":
            return timing.host(call), Load()
        cache = torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size
        return timing.cold(call, timing.flusher(cache)), Load()

    def _bursts(self, jobs: list[Job], calls: dict[str, Calls]) -> None:
        """All or none: they are compared with each other. What fails alone is left out before."""
        sound = []
        for job in jobs:
            if (job.method.name, job.part) not in self._broken:
                with self._guard(job.method, job.part):
                    calls[job.method.name].parts[job.part]()
                    torch.cuda.synchronize()
                    sound.append(job)
        if not sound:
            return
        found = timing.bursts([calls[job.method.name].parts[job.part] for job in sound])
        for job, times in zip(sound, found):
            self._add(job, times, Load(), calls[job.method.name].kernel)

    def _add(self, job: Job, times: list[float], load: Load, kernel: str) -> None:
        found = spread(times)
        figure = Figure(
            self._case.name, job.method.name, job.part, job.mode, found.median, found.low, found.high,
            found.count, tflops(flops(self._case), found.median), load.clock_mhz, load.watts, kernel,
        )  # fmt: skip
        self._results.figures.append(figure)
        print(line(figure), flush=True)

    def _accuracies(self, values: str) -> None:
        operands = inputs.make(self._case, values)
        dtype = getattr(torch, self._settings.reference)
        expected = accuracy.references(self._case, operands, dtype)
        for method in self._methods:
            if self._all_broken(method):
                continue
            with self._guard(method):
                output = method.prepare(self._case, operands).output()
                errors = accuracy.errors(self._case, output, expected)
                self._results.accuracies.append(
                    Accuracy(
                        self._case.name, method.name, values, *errors, self._settings.reference
                    )
                )


class _Guard:
    """Turns what a method raises into a gap, once; a GPU that no longer answers ends the run."""

    def __init__(
        self,
        case: Case,
        method: Method,
        results: Results,
        broken: set[tuple[str, str]],
        parts: Sequence[str],
    ) -> None:
        self._case, self._method, self._results = case, method, results
        self._broken, self._parts = broken, parts

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, Exception):
            return False
        why = reason(error)
        self._results.gaps.append(Gap(self._case.name, self._method.name, why, failed=True))
        self._broken.update((self._method.name, part) for part in self._parts)
        print(f"{self._case.name}  {self._method.name} FAILED: {why}", flush=True)
        try:
            torch.cuda.synchronize()
        except Exception as lost:
            raise DeviceLostError(f"the GPU no longer answers: {why}") from lost
        torch.cuda.empty_cache()
        return True
