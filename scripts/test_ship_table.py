"""ship-table.py: what it takes of a measurement, and that the package reads it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "ship-table.py"
CELL = {"head_dim": 64, "causal": True, "mask": "", "varlen": False, "rows": 8, "keys": 8, "heads": 4, "group": 1,
        "kernel": "fp8", "torch": True, "times": {"fp8": 2.0, "torch": 1.0, "torch cudnn": 1.5}}  # fmt: skip
MACHINE = {"gpu": "a GPU", "driver": "1", "torch": "2.8", "cudnn": "9.1", "wheel": "-"}


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "_shipped.py"
    target.write_text("# tables, by scripts/ship-table.py\n_DATA: Any = []\n# end of the tables\nafter = 1\n")
    return target


def run(target: Path, *arguments: str) -> int:
    script = runpy.run_path(str(SCRIPT))
    script["main"].__globals__["TARGET"] = target
    before, sys.argv = sys.argv, ["ship-table.py", *arguments]
    try:
        return int(script["main"]())
    finally:
        sys.argv = before


def test_the_choice_and_its_times_are_kept(target: Path, tmp_path: Path) -> None:
    plain = {**CELL, "causal": False, "kernel": "fp16", "torch": False, "times": {"fp16": 1.0}}
    measured = tmp_path / "tables.json"
    measured.write_text(json.dumps([{"format": 3, "machine": MACHINE, "cells": [CELL, plain]}]))
    assert run(target, str(measured)) == 0
    found: dict[str, object] = {"Any": object}
    exec(target.read_text(), found)
    row = (64, True, "", False, 8, 8, 4, 1, "fp8", True, 2.0, 1.0)
    other = (64, False, "", False, 8, 8, 4, 1, "fp16", False, 1.0, None)
    assert found["_DATA"] == [(tuple(MACHINE.values()), [row, other])]
    assert found["after"] == 1
    assert run(target, str(measured), "--variant", "plain") == 0
    exec(target.read_text(), found)
    assert found["_DATA"] == [(tuple(MACHINE.values()), [other])]


def test_groups_are_variants_of_their_own(target: Path, tmp_path: Path) -> None:
    plain = {**CELL, "causal": False}
    measured = tmp_path / "tables.json"
    cells = [CELL, plain, {**plain, "group": 4}]
    measured.write_text(json.dumps([{"format": 3, "machine": MACHINE, "cells": cells}]))
    assert run(target, str(measured), "--variant", "groups of 4") == 0
    found: dict[str, object] = {"Any": object}
    exec(target.read_text(), found)
    row = (64, False, "", False, 8, 8, 4, 4, "fp8", True, 2.0, 1.0)
    assert found["_DATA"] == [(tuple(MACHINE.values()), [row])]


def test_nothing_to_ship_is_an_error(target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = tmp_path / "tables.json"
    measured.write_text(json.dumps([{"format": 3, "machine": MACHINE, "cells": [CELL]}]))
    before = target.read_text()
    assert run(target, str(measured), "--variant", "bias") == 1
    assert target.read_text() == before and "no call of bias" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": 2048}, "causal, key padding"),
        ({"rows": 2048, "group": 4}, "causal, key padding, groups of 4"),
        ({"rows": 1024}, ""),
        ({"rows": 2048, "keys": 127}, ""),
        ({"rows": 2048, "head_dim": 256}, ""),
        ({"rows": 2048, "torch": False}, ""),
    ],
)
def test_calls_that_torch_should_not_serve_are_told(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], told: str
) -> None:
    measured = tmp_path / "tables.json"
    cell = {**CELL, "keys": 4096, "mask": "padding", **changes}
    measured.write_text(json.dumps([{"format": 3, "machine": MACHINE, "cells": [cell]}]))
    assert run(target, str(measured)) == 0
    line = f"2048 queries, 4096 keys, 4 heads of 64, {told}: 0.50\n"
    assert capsys.readouterr().out == (line if told else "")
