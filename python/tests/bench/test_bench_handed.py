"""Which cases the benchmark names as handed over: those that the table of an H100 gives to torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

from bench.cases import parse
from bench.methods import ours
from bench.methods.package import Package
from sageattention import _kinds, _shipped, _table


class Dispatch:
    """Every call takes the kernels of SM 9.0."""

    TRITON = "triton"

    def choose(self, device: int, request: Any) -> SimpleNamespace:
        return SimpleNamespace(kind="fp8_wgmma")


@pytest.mark.parametrize(
    ("name", "torchs"),
    [
        ("hd128-s1024", True),
        ("hd128-s64-k4096-padding", True),
        ("hd128-s8192", False),
        ("hd128-s4096-padding", False),
        ("hd128-s256-gqa4", True),
        ("hd128-s8192-gqa4", False),
    ],
)
def test_identity_follows_the_table(name: str, torchs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = SimpleNamespace(always=lambda: False, measured=lambda device, shape: _shipped.TABLES[0].find(shape))
    call = SimpleNamespace(Request=lambda *fields: fields)
    modules = {"choice": choice, "call": call, "dispatch": Dispatch(), "kinds": _kinds, "table": _table}
    found = Package(*(modules.get(field) for field in Package._fields))
    monkeypatch.setattr(ours, "package", lambda: found)
    monkeypatch.setattr(ours, "_device", lambda: 0)
    method = ours.Ours("sageattn", "sageattn", "auto")
    assert method.identity(parse(name)).startswith("torch's") == torchs
