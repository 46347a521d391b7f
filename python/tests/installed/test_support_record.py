"""The RECORD checker, on wheels made here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from support import record

NAME = "pkg-1.dist-info/RECORD"


def wheel(path: Path, files: dict[str, bytes], rows: dict[str, str]) -> Path:
    """A zip of files whose RECORD holds one row a file, changed where rows says so ("" drops the row)."""
    lines = {name: f"{name},{record._digest(data)},{len(data)}\n" for name, data in files.items()}
    lines.update(rows)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(NAME, "".join(lines.values()) + f"{NAME},,\n")
    return path


FILES = {
    "pkg/__init__.py": b"x = 1\n",
    "pkg/a,b.py": b"",
    "pkg-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
}
QUOTED = {"pkg/a,b.py": f'"pkg/a,b.py",{record._digest(b"")},0\n'}


def test_a_good_wheel_has_no_findings(tmp_path: Path) -> None:
    assert record.wheel_findings(wheel(tmp_path / "w.whl", FILES, QUOTED)) == []


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            {"pkg/__init__.py": f"pkg/__init__.py,{record._digest(b'y')},6\n"},
            "does not have the hash",
        ),
        (
            {"pkg/__init__.py": f"pkg/__init__.py,{record._digest(b'x = 1' + bytes([10]))},7\n"},
            "RECORD says 7",
        ),
        ({"pkg/__init__.py": ""}, "is not in RECORD"),
        ({"gone": f"pkg/gone.py,{record._digest(b'')},0\n"}, "cannot be read"),
        ({"pkg/__init__.py": "pkg/__init__.py,,\n"}, "does not have the hash"),
    ],
)
def test_damage_is_found(tmp_path: Path, rows: dict[str, str], text: str) -> None:
    found = record.wheel_findings(wheel(tmp_path / "w.whl", FILES, {**QUOTED, **rows}))
    assert any(text in finding for finding in found), found


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    path = wheel(tmp_path / "w.whl", FILES, QUOTED)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("pkg/late.so", b"\x7fELF")
    assert record.wheel_findings(path) == ["pkg/late.so is not in RECORD"]


def test_a_line_without_three_fields_is_an_error() -> None:
    with pytest.raises(ValueError, match="has 2 fields"):
        record.parse("a,b\n")
