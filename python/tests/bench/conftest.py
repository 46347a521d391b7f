"""The benchmark's tests need no GPU; those that need torch skip without it. It lies beside them in a checkout alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(__file__).parents[2]

if (PYTHON / "bench" / "__init__.py").is_file():
    sys.path.append(str(PYTHON))  # last: an installed sageattention stays in front
else:
    collect_ignore_glob = ["*"]


@pytest.fixture
def results() -> Any:
    """record.Results, of four figures."""
    from bench_samples import results

    return results()
