"""What the build says about the wheel under test, through environment variables.

    SAGEATTN_EXPECTED_VERSION    2.2.0
    SAGEATTN_EXPECTED_BUILD_TAG  280.129
    SAGEATTN_EXPECTED_TAG        cp312-cp312-linux_x86_64
    SAGEATTN_EXPECTED_TORCH      2.8.0, the torch of the cell
    SAGEATTN_EXPECTED_SMS        7.0 7.5 8.0, the SMs of the cell
    SAGEATTN_EXPECTED_PTX        12.1, the SM whose PTX rides along; "none" for none
    SAGEATTN_KERNELS_TOML        a copy of csrc/kernels.toml
    SAGEATTN_HEADER              a copy of csrc/host/sageattn.h
    SAGEATTN_WHEEL               the wheel file that was installed

A test of something that the build did not say is skipped; but once one of them is set, all must be: a
forgotten variable would otherwise skip its test for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAMES = (
    "SAGEATTN_EXPECTED_VERSION",
    "SAGEATTN_EXPECTED_BUILD_TAG",
    "SAGEATTN_EXPECTED_TAG",
    "SAGEATTN_EXPECTED_TORCH",
    "SAGEATTN_EXPECTED_SMS",
    "SAGEATTN_EXPECTED_PTX",
    "SAGEATTN_KERNELS_TOML",
    "SAGEATTN_HEADER",
    "SAGEATTN_WHEEL",
)
_CSRC = Path(__file__).parents[3] / "csrc"
_CHECKOUT = {
    "SAGEATTN_KERNELS_TOML": _CSRC / "kernels.toml",
    "SAGEATTN_HEADER": _CSRC / "host" / "sageattn.h",
}


def expect(name: str) -> str:
    """The value of one of NAMES; skips the test where the build says nothing."""
    assert name in NAMES, name
    value = os.environ.get(name)
    if value:
        return value
    if any(os.environ.get(other) for other in NAMES):
        pytest.fail(f"{name} is not set although other expectations are")
    return pytest.skip(f"{name} is not set")


def expect_file(name: str) -> Path:
    """The file that one of NAMES points at, or the one of the checkout that these tests lie in."""
    fallback = _CHECKOUT.get(name)
    if not os.environ.get(name) and fallback and fallback.is_file():
        return fallback
    return Path(expect(name))
