"""The package's types, read by mypy beside the types of the torch that is installed.

`make lint` checks the same without torch, and leaves out what torch's own types decide.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="one runtime has mypy: EQUIPPED in scripts/lock.py")
CONFIGURATION = Path(__file__).parent.parent / "pyproject.toml"  # the test stage puts it there


def test_package_is_typed_beside_a_real_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--package", "sageattention"]
    found = subprocess.run(
        [*command, "--config-file", str(CONFIGURATION)],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"},
    )
    assert found.returncode == 0, found.stdout + found.stderr
