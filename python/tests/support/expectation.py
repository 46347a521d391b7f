"""What the build says about the wheel under test, through environment variables.

    SAGEATTN_EXPECTED_MODULE     sageattention, what is imported and installed
    SAGEATTN_EXPECTED_VERSION    2.2.0
    SAGEATTN_EXPECTED_BUILD_TAG  280.129; set and empty for the universal wheel, which has none
    SAGEATTN_EXPECTED_TAG        cp312-cp312-linux_x86_64
    SAGEATTN_EXPECTED_TORCH      2.8.0, the torch beside the wheel
    SAGEATTN_EXPECTED_SMS        7.0 7.5 8.0, the SMs of the cell
    SAGEATTN_EXPECTED_PTX        12.0, the SM whose PTX rides along; "none" for none
    SAGEATTN_EXPECTED_KERNELS    mean@-12.1 attention_fp8_wgmma_hd64@9.0, the kernels, and the SMs that
                                 have code for each, or after a minus those that have none; neither if all have it

A test of something that the build did not say is skipped; but once one of them is set, all must be: a
forgotten variable would otherwise skip its test for ever. Two files are found beside the tests, or named by

    SAGEATTN_WHEEL               the wheel file that was installed; default ../wheel/*.whl
    SAGEATTN_HEADER              csrc/host/sageattn.h; default as in a checkout
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAMES = tuple(
    f"SAGEATTN_EXPECTED_{name}"
    for name in ("MODULE", "VERSION", "BUILD_TAG", "TAG", "TORCH", "SMS", "PTX", "KERNELS")
)
_MAY_BE_EMPTY = "SAGEATTN_EXPECTED_BUILD_TAG"
_ABOVE = Path(__file__).parent.joinpath("..", "..").resolve()


def expect(name: str) -> str:
    """The value of SAGEATTN_EXPECTED_name; skips the test where the build says nothing."""
    name = f"SAGEATTN_EXPECTED_{name}"
    assert name in NAMES, name
    value = os.environ.get(name)
    if value or (value is not None and name == _MAY_BE_EMPTY):
        return value
    if any(os.environ.get(other) for other in NAMES):
        pytest.fail(f"{name} is not set although other expectations are")
    pytest.skip(f"{name} is not set")


def planned_kernels() -> dict[str, frozenset[str]]:
    """SM -> kernels: "mean" is on every SM, "mean@-12.1" on all others, "fp8_wgmma_hd64@9.0,10.0" on those."""
    sms = expect("SMS").split()
    planned: dict[str, set[str]] = {sm: set() for sm in sms}
    for text in expect("KERNELS").split():
        kernel, _, owners = text.partition("@")
        for sm in _owners(owners, sms):
            planned[sm].add(kernel)
    return {sm: frozenset(names) for sm, names in planned.items() if names}


def _owners(text: str, sms: list[str]) -> list[str]:
    without = text.removeprefix("-").split(",")
    if not text or text.startswith("-"):
        return [sm for sm in sms if sm not in without]
    return text.split(",")


def universal() -> bool:
    """Whether the build meant the wheel for every torch and Python; skips the test where it says nothing."""
    return not expect("BUILD_TAG")


def wheel_file() -> Path:
    """The wheel that was installed; skips the test where it is not there."""
    return _file("SAGEATTN_WHEEL", sorted((_ABOVE / "wheel").glob("*.whl")))


def header_file() -> Path:
    """The C header; skips the test where it is not there."""
    return _file("SAGEATTN_HEADER", [_ABOVE.parent / "csrc" / "host" / "sageattn.h"])


def _file(name: str, defaults: list[Path]) -> Path:
    if os.environ.get(name):
        return Path(os.environ[name])
    found = [path for path in defaults if path.is_file()]
    if len(found) != 1:
        pytest.skip(f"{name} is not set")
    return found[0]
