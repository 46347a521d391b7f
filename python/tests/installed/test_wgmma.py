"""The mirror of the packed path's struct equals its C header."""

from __future__ import annotations

import ctypes

import pytest
from support import header
from support.expectation import header_file

from sageattention import _packed


@pytest.fixture(scope="module")
def text() -> str:
    path = header_file().with_name("sageattn_packed.h")
    if not path.is_file():
        pytest.skip("sageattn_packed.h is not here")
    return header_file().read_text() + path.read_text()


def test_struct(text: str) -> None:
    layout = header.structs(text)["sageattn_packed_params"]
    struct = _packed.PackedParams
    fields = (field[0] for field in struct._fields_)
    mirror = {name: (getattr(struct, name).offset, getattr(struct, name).size) for name in fields}
    assert ctypes.sizeof(struct) == layout.size
    assert mirror == layout.fields


def test_constants_and_functions(text: str) -> None:
    constants = header.constants(text)
    names = ("ALL", "QUANTIZE", "ATTEND")
    for name in names:
        assert constants[f"SAGEATTN_PACKED_{name}"] == getattr(_packed, name)
    functions = header.functions(text)
    for name, (_, arguments) in _packed.FUNCTIONS.items():
        assert functions[name] == len(arguments)
