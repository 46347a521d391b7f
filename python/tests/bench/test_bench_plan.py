"""What is measured, and what is named as missing."""

from __future__ import annotations

import pytest

from bench import cases, methods, plan
from bench.methods.base import Method
from bench.record import Gap

SHORT, LONG = cases.parse("hd128-s1024"), cases.parse("hd128-s8192-causal")


class Stub(Method):
    def __init__(
        self, name: str, missing: str = "", no: str = "", graph: str = "", kernel: str = ""
    ) -> None:
        self.name, self._missing, self._no, self._graph, self._kernel = (
            name,
            missing,
            no,
            graph,
            kernel,
        )

    def why_missing(self) -> str:
        return self._missing

    def why_not(self, case: cases.Case) -> str:
        return self._no if case.causal else ""

    def why_no_graph(self, case: cases.Case) -> str:
        return self._graph

    def identity(self, case: cases.Case) -> str:
        return self._kernel


class Parts(Stub):
    def parts(self, case: cases.Case) -> tuple[str, ...]:
        return ("kernel", "whole")


def jobs(found: plan.Plan) -> list[tuple[str, str, str, str]]:
    return [(job.case.name, job.method.name, job.part, job.mode) for job in found.jobs]


def test_auto_replays_short_sequences() -> None:
    found = plan.make([SHORT, LONG], [Stub("a")], ["auto", "cold"])
    assert jobs(found) == [
        ("hd128-s1024", "a", "whole", "graph"),
        ("hd128-s1024", "a", "whole", "cold"),
        ("hd128-s8192-causal", "a", "whole", "sustained"),
        ("hd128-s8192-causal", "a", "whole", "cold"),
    ]
    assert found.cases() == [SHORT, LONG]
    assert found.gaps == []


def test_auto_times_the_host_where_it_decides() -> None:
    host = cases.parse("hd128-s64")
    found = plan.make([host], [Parts("a")], ["auto", "graph"])
    assert jobs(found) == [
        ("hd128-s64", "a", "whole", "host"),
        ("hd128-s64", "a", "kernel", "graph"),
        ("hd128-s64", "a", "whole", "graph"),
    ]


def test_modes_are_taken_once() -> None:
    assert plan.modes_of(SHORT, ["auto", "graph"]) == ["graph"]


def test_gaps_have_reasons() -> None:
    stubs = [
        Stub("gone", missing="not here"),
        Stub("picky", no="no causal"),
        Stub("host", graph="syncs"),
    ]
    found = plan.make([SHORT, LONG], stubs, ["auto"])
    assert found.gaps == [
        Gap("", "gone", "not here"),
        Gap("hd128-s1024", "host", "syncs"),
        Gap("hd128-s8192-causal", "picky", "no causal"),
    ]
    assert [job[1] for job in jobs(found)] == ["picky", "host"]


def test_the_same_kernel_is_measured_once() -> None:
    stubs = [
        Stub("a", kernel="fp8_wgmma"),
        Stub("b", kernel="fp8_wgmma"),
        Stub("c", kernel="other"),
        Stub("d"),
        Stub("e"),
    ]
    found = plan.make([SHORT], stubs, ["auto"])
    assert [job[1] for job in jobs(found)] == ["a", "c", "d", "e"]
    assert found.gaps == [Gap("hd128-s1024", "b", "runs the kernel of a: fp8_wgmma")]
    assert len(plan.make([SHORT], stubs, ["auto"], every=True).jobs) == 5


def test_methods_are_found_by_name() -> None:
    known = methods.all_methods()
    names = [method.name for method in known]
    assert len(set(names)) == len(names)
    assert [m.name for m in methods.selected(known, ["torch-cudnn", "sageattn"])] == [
        "sageattn",
        "torch-cudnn",
    ]
    with pytest.raises(ValueError, match="did you mean torch-cudnn"):
        methods.selected(known, ["torch-cuddn"])


def test_peers_say_what_they_do_not_take() -> None:
    by_name = {method.name: method for method in methods.all_methods()}
    mixed, unequal = cases.parse("hd128-varlen"), cases.parse("hd128-s64-k32-causal")
    assert by_name["comfy-int8"].why_not(LONG) and by_name["comfy-int8"].why_not(mixed)
    assert by_name["cudnn-fp8"].why_not(mixed) and not by_name["cudnn-fp8"].why_not(LONG)
    assert by_name["sageattention-1"].why_not(unequal) and by_name["sageattention-1"].why_no_graph(
        mixed
    )
    assert by_name["sageattention-1"].why_not(cases.parse("hd72-s64"))
    assert by_name["torch-cudnn"].why_not(unequal) and not by_name["torch-cudnn"].why_not(mixed)
    assert by_name["fp16"].why_not(mixed)
    masked = cases.parse("hd128-s4096-bias")
    takers = {name for name, method in by_name.items() if method.peer and not method.why_not(masked)}
    assert takers == {"torch", "torch-cudnn", "torch-efficient"}
    assert by_name["torch-efficient"].why_not(mixed)
    assert by_name["compiled"].why_not(SHORT)
