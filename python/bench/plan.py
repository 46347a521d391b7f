"""Cases × methods × modes → what to measure, and what not, and why. Nothing here touches a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .cases import HOST_ROWS, Case
from .methods.base import Method
from .record import Gap

AUTO = "auto"
GRAPH_ROWS = 1024  # up to here plain launches are bound by the host


@dataclass(frozen=True)
class Job:
    """One figure to take."""

    case: Case
    method: Method
    part: str
    mode: str


@dataclass
class Plan:
    """Jobs in order, and the gaps that are known beforehand."""

    jobs: list[Job] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def cases(self) -> list[Case]:
        return list(dict.fromkeys(job.case for job in self.jobs))

    def of(self, case: Case) -> list[Job]:
        return [job for job in self.jobs if job.case == case]


def modes_of(case: Case, modes: Sequence[str]) -> list[str]:
    """The modes for a case: "auto" is graph for short sequences, else sustained, and host for the shortest."""
    rows = max(case.query_rows, case.key_rows)
    auto = "host" if rows <= HOST_ROWS else "graph" if rows <= GRAPH_ROWS else "sustained"
    return list(dict.fromkeys(auto if mode == AUTO else mode for mode in modes))


def make(
    cases: Sequence[Case], methods: Sequence[Method], modes: Sequence[str], every: bool = False
) -> Plan:
    """every: also methods that run the same kernel as one before them."""
    plan = Plan()
    found = []
    for method in methods:
        reason = method.why_missing()
        if reason:
            plan.gaps.append(Gap("", method.name, reason))
        else:
            found.append(method)
    for case in cases:
        _add_case(plan, case, found, modes, every)
    return plan


def _add_case(
    plan: Plan, case: Case, methods: Sequence[Method], modes: Sequence[str], every: bool
) -> None:
    seen: dict[str, str] = {}
    for method in methods:
        reason = method.why_not(case)
        identity = "" if reason else method.identity(case)
        if identity and not every and identity in seen:
            reason = f"runs the kernel of {seen[identity]}: {identity}"
        if reason:
            plan.gaps.append(Gap(case.name, method.name, reason))
            continue
        seen.setdefault(identity, method.name)
        for mode in modes_of(case, modes):
            if mode == "graph" and method.why_no_graph(case):
                plan.gaps.append(Gap(case.name, method.name, method.why_no_graph(case)))
                continue
            parts = ("whole",) if mode == "host" else method.parts(case)
            plan.jobs += [Job(case, method, part, mode) for part in parts if part in method.parts(case)]
