"""Tests of the build backend, which lies beside the tests in a checkout and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from build_backend.nvrtc import Nvrtc

PYTHON = Path(__file__).parents[2]

if (PYTHON / "build_backend").is_dir():
    sys.path.append(str(PYTHON))  # last: an installed sageattention stays in front
else:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def compiler() -> Nvrtc:
    """NVRTC; without it, tests that need it are skipped."""
    from build_backend import errors, nvrtc

    try:
        return nvrtc.Nvrtc()
    except errors.BuildError as error:
        pytest.skip(f"{error}: {error.hint}")
