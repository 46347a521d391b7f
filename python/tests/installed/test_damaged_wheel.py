"""A wheel that is not whole must fail these tests: here a copy of the installed one is damaged and tested."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Callable

import pytest
from support import fatbin, record

from sageattention import _library

TESTS = Path(__file__).with_name("test_installed_wheel.py")


@pytest.fixture
def copy(distribution: metadata.Distribution, tmp_path: Path) -> Path:
    """A copy of the installed wheel in a folder that can go onto PYTHONPATH."""
    root = tmp_path / "site-packages"
    record.copy_installed(distribution, root)
    return root


def write(root: Path, name: str, data: bytes) -> None:
    """Changes a file and its line in RECORD, as a build that made it so would have."""
    (root / name).write_bytes(data)
    (path,) = root.glob("*.dist-info/RECORD")
    rows = record.parse(path.read_text())
    lines = [record.line(name, data) if row.name == name else ",".join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def unharmed(root: Path) -> None:
    pass


def lose_a_kernel(root: Path) -> None:
    entries = fatbin.read_file(root / "sageattention/lib/sageattn.fatbin")
    cubins = [entry for entry in entries if entry.kind == fatbin.CUBIN]
    entries.remove(cubins[len(cubins) // 2])
    data = fatbin.build([entry.raw for entry in entries])
    write(root, "sageattention/lib/sageattn.fatbin", data)


def break_record(root: Path) -> None:
    (path,) = root.glob("*.dist-info/RECORD")
    text = path.read_text()
    path.write_text(text.replace("sageattention/core.py,sha256=", "sageattention/core.py,sha256=x"))


def fail_to_import(root: Path) -> None:
    data = (root / "sageattention/core.py").read_bytes()
    write(root, "sageattention/core.py", data + b"\nimport sageattention.missing\n")


def corrupt_the_library(root: Path) -> None:
    write(root, f"sageattention/lib/{_library.library_path().name}", b"\x7fELF")


@pytest.mark.parametrize(
    ("damage", "failing"),
    [
        (unharmed, ""),
        (lose_a_kernel, "test_fatbin_holds_the_planned_kernels"),
        (break_record, "test_installed_files_are_those_of_record"),
        (fail_to_import, "No module named 'sageattention.missing'"),
        (corrupt_the_library, "test_library_opens_and_reads_the_fatbin"),
    ],
)
def test_damage_fails_the_tests(copy: Path, damage: Callable[[Path], None], failing: str) -> None:
    if damage is lose_a_kernel and not os.environ.get("SAGEATTN_EXPECTED_SMS"):
        pytest.skip("SAGEATTN_EXPECTED_SMS is not set: no kernel is expected")
    damage(copy)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, "-k", "not noticed", str(TESTS)],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(copy)},
    )
    assert (result.returncode != 0) == bool(failing), result.stdout[-2000:]
    assert failing in result.stdout
