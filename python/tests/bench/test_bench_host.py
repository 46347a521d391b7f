"""The host's time of a call: the whole path runs on a driver that runs nothing, on every SM's own kernels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench import host

ROOT = Path(__file__).parents[3]


def test_a_line_tells_the_median_and_the_spread() -> None:
    text = host.table({"a, SM 9.0, sageattn": [20000.0, 10000.0, 40000.0]})
    assert text.splitlines()[1] == "   20000     50.0  150.0% a, SM 9.0, sageattn"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for the driver is a Linux library")
@pytest.mark.parametrize("sm", host.SMS)
def test_every_call_goes_through(sm: str, tmp_path: Path) -> None:
    if not (ROOT / "csrc/host").is_dir():
        pytest.skip("needs a checkout")
    found = host.measure([ROOT], [sm], 1, tmp_path)
    assert len(found) == 6
    assert all(figures[0] > 100 for figures in found.values())
