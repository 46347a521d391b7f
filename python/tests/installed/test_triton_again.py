"""A Triton kernel that was launched is launched again as Triton launched it, without Triton's binding."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sageattention import _triton

PROGRAM = Path(__file__).parents[1] / "support" / "triton_again.py"


def test_the_second_launch_is_the_first(tmp_path: Path) -> None:
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed: pip install triton")
    if _triton._release(_triton.version()) < (3, 3):
        pytest.skip("this Triton binds each time")
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-4000:]
    rows = [json.loads(line) for line in result.stdout.splitlines() if '"kernel"' in line]
    assert len(rows) == 4 * 3 + 3 + 4
    assert all(row["same"] for row in rows)
    bound = [row["bound"] for row in rows]
    # The same call again is known; another address, other lengths, a mask or sequences are not. Nor do the keys of a
    # masked call look another way.
    assert bound[:3] == [True] * 3 and bound[3:6] == [False] * 3
    assert bound[6:9] == [True] * 3 and bound[9:12] == [True] * 3
    assert bound[12:15] == [True, False, True] and all(bound[15:])
    repeated = next(json.loads(line) for line in result.stdout.splitlines() if '"repeated"' in line)
    assert repeated == {"repeated": True, "joined": True, "launches": 9}
