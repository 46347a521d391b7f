"""The mirror of the wgmma path's struct equals its C header."""

from __future__ import annotations

import ctypes

import pytest
from support import header
from support.expectation import header_file

from sageattention import _wgmma


@pytest.fixture(scope="module")
def text() -> str:
    path = header_file().with_name("sageattn_wgmma.h")
    if not path.is_file():
        pytest.skip("sageattn_wgmma.h is not here")
    return header_file().read_text() + path.read_text()


def test_struct(text: str) -> None:
    layout = header.structs(text)["sageattn_wgmma_params"]
    struct = _wgmma.WgmmaParams
    fields = (field[0] for field in struct._fields_)
    mirror = {name: (getattr(struct, name).offset, getattr(struct, name).size) for name in fields}
    assert ctypes.sizeof(struct) == layout.size
    assert mirror == layout.fields


def test_constants_and_functions(text: str) -> None:
    constants = header.constants(text)
    names = ("ALL", "QUANTIZE", "ATTEND")
    for name in names:
        assert constants[f"SAGEATTN_WGMMA_{name}"] == getattr(_wgmma, name)
    functions = header.functions(text)
    for name, (_, arguments) in _wgmma.FUNCTIONS.items():
        assert functions[name] == len(arguments)
