"""The package sageattn3 without a GPU: everything here runs on the installed wheel, or on a source tree."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("SAGEATTN_EXPECTED_MODULE", "sageattn3")


@pytest.fixture(scope="session", autouse=True)
def _installed(installed_package: None) -> None:
    """Every test of this folder is about the installed wheel."""
