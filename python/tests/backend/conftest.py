"""Tests of the build backend, which lies beside the tests in a checkout and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

PYTHON = Path(__file__).parents[2]

if (PYTHON / "build_backend").is_dir():
    sys.path.append(str(PYTHON))  # last: an installed sageattention stays in front
else:
    collect_ignore_glob = ["*"]
