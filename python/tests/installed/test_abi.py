"""The ctypes mirror and the table of kinds equal the C headers: constants, sizes, offsets, functions."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from support import header
from support.expectation import header_file

from sageattention import _abi, _library, _shapes
from sageattention._kinds import KINDS

HEADERS = ("kinds.h", "sageattn.h", "sageattn_wgmma.h", "sageattn_fp4.h")


@pytest.fixture(scope="module")
def text() -> str:
    return "".join(header_file().with_name(name).read_text() for name in HEADERS)


def mirror(struct: type[ctypes.Structure]) -> dict[str, tuple[int, int]]:
    fields = (field[0] for field in struct._fields_)
    return {name: (getattr(struct, name).offset, getattr(struct, name).size) for name in fields}


def test_constants(text: str) -> None:
    found = header.constants(text)
    assert len(found) >= 16
    numbers = {f"SAGEATTN_KIND_{kind.name.upper()}": kind.number for kind in KINDS.values()}
    assert {name: value for name, value in found.items() if "_KIND_" in name} == numbers
    for name, value in found.items() - numbers.items():
        assert getattr(_abi, name.replace("SAGEATTN_", "")) == value, name


def test_structs(text: str) -> None:
    found = header.structs(text)
    assert found.keys() == _abi.STRUCTS.keys()
    for name, layout in found.items():
        struct = _abi.STRUCTS[name]
        assert ctypes.sizeof(struct) == layout.size, name
        assert mirror(struct) == layout.fields, name


def test_functions(text: str) -> None:
    mirrored = {name: len(arguments) for name, (_, arguments) in _abi.FUNCTIONS.items()}
    assert header.functions(text) == mirrored


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
def test_the_compiler_agrees(tmp_path: Path) -> None:
    lines = ["#include <stddef.h>", *(f'#include "{name}"' for name in HEADERS)]
    for name, struct in _abi.STRUCTS.items():
        lines.append(f'_Static_assert(sizeof({name}) == {ctypes.sizeof(struct)}, "{name}");')
        for field, (offset, _) in mirror(struct).items():
            lines.append(
                f'_Static_assert(offsetof({name}, {field}) == {offset}, "{name}.{field}");'
            )
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines) + "\n")
    command = ["cc", "-std=c11", "-fsyntax-only", f"-I{header_file().parent}", str(source)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_library_counts_scales_as_the_operators_do(distribution: object) -> None:
    count = _library.library().sageattn_scale_count
    for operand in (_abi.QUERY, _abi.KEY):
        for granularity in (_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD):
            for rows in (0, 1, 31, 64, 65, 128, 129, 4096):
                expected = _shapes.scale_count(operand, granularity, rows)
                assert count(operand, granularity, rows) == expected
    assert count(_abi.QUERY, 9, 1) == -1


def test_library_has_the_interface_version_of_the_mirror(distribution: object) -> None:
    assert _library.library().sageattn_abi_version() == _abi.ABI_VERSION


def test_a_struct_of_another_size_is_refused(distribution: object) -> None:
    params = _abi.MeanParams(size=8)
    status = _library.library().sageattn_mean(ctypes.byref(params), 0, None)
    assert status == _abi.INVALID_ARGUMENT
    size = ctypes.sizeof(_abi.MeanParams)
    with pytest.raises(ValueError, match=f"8 bytes, this library expects {size}"):
        _library.check(status)
