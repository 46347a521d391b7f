"""csrc/tests/measured.py: the pages of docs/gpu-results, as gpu-results.sh measure leaves them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "csrc" / "tests" / "measured.py"
TABLE = {"machine": {"gpu": "NVIDIA H100 80GB HBM3", "wheel": "2.2.0 280.129 5"}, "cells": []}


def pages(work: Path, output: Path, stand_in: Path) -> dict[str, str]:
    """Runs the script; the package, which needs torch, is a stand-in that shows a table as its GPU's name."""
    package = stand_in / "sageattention"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "_table.py").write_text("class Table:\n    from_json = dict\n")
    (package / "_tune_report.py").write_text("def text(table):\n    return 'of ' + table['machine']['gpu']\n")
    output.mkdir()
    environment = {"PYTHONPATH": str(stand_in), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    subprocess.run([sys.executable, str(SCRIPT), str(work), str(output)], check=True, env=environment)
    return {path.name: path.read_text(encoding="utf-8") for path in output.iterdir()}


def test_pages_are_named_after_the_gpu(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "tune.json").write_text(json.dumps([TABLE]))
    (work / "tune.log").write_text("a GPU: checking every kernel\nmeasured 248 calls in 79 s\nstored x\n")
    (work / "bench.md").write_text("## NVIDIA H100\n")
    found = pages(work, tmp_path / "out", tmp_path / "stand-in")
    assert sorted(found) == ["bench-h100-80gb-hbm3.md", "tune-h100-80gb-hbm3.md"]
    assert found["bench-h100-80gb-hbm3.md"].endswith("\n\n## NVIDIA H100\n")
    assert "(tune-h100-80gb-hbm3.md)" in found["bench-h100-80gb-hbm3.md"]
    table = found["tune-h100-80gb-hbm3.md"]
    assert "248 calls in 79 s with" in table and "2.2.0 280.129 5" in table
    assert "\n```\nof NVIDIA H100 80GB HBM3\n```\n" in table


def test_a_bench_without_time_has_no_page(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "tune.json").write_text(json.dumps([TABLE]))
    (work / "tune.log").write_text("measured 1 calls in 2 s\n")
    assert [*pages(work, tmp_path / "out", tmp_path / "stand-in")] == ["tune-h100-80gb-hbm3.md"]
