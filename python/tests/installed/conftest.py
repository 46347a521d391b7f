"""The CPU part: everything here runs without a GPU, on the installed wheel."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _installed(installed_package: None) -> None:
    """Every test of this folder is about the installed wheel."""
