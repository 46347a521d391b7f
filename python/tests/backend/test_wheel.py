"""The wheel writer: contents, names, determinism and what it refuses."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import Callable

import pytest
from support import record

from build_backend import handover, project, wheel
from build_backend.errors import BuildError

Build = Callable[..., Path]

PYPROJECT = """
[project]
name = "sageattention"
description = "Quantised attention"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.9"
keywords = ["attention", "cuda"]

[project.entry-points."one.plugins"]
sageattention = "sageattention.one:register"

[project.entry-points.others]
first = "sageattention.core:f"
second = "sageattention.core:g"

[tool.other]
nested = [["a"]]
"""

DEFAULTS = {
    "version": "2.2.0",
    "build-tag": "280.129",
    "python-tag": "cp312",
    "abi-tag": "cp312",
    "platform-tag": "linux_x86_64",
    "requires": "torch==2.8.*",
    "requires-python": ">=3.12,<3.13",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder like python/, with everything a wheel is made of and things that must stay out."""
    files = {
        "LICENSE": b"Apache License",
        "python/pyproject.toml": PYPROJECT.encode(),
        "python/README.md": "# SageAttention – fast\n".encode(),
        "python/sageattention/__init__.py": b"x = 1\n",
        "python/sageattention/core.py": b"",
        "python/sageattention/deep/__init__.py": b"",
        "python/sageattention/py.typed": b"",
        "python/sageattention/__pycache__/core.cpython-312.pyc": b"no",
        "python/sageattention/tests/test_core.py": b"no",
        "python/sageattention/.hidden.py": b"no",
        "python/sageattention/notes.txt": b"no",
        "python/sageattention/lib/stale.so": b"no",
        "built/libsageattn.so": b"\x7fELF" + bytes(100),
        "built/kernels.fatbin": b"\x50\xed\x55\xba" + bytes(10000),
    }
    for name, data in files.items():
        path = tmp_path / name
        handover.write(path, data)
    return tmp_path


@pytest.fixture
def build(source: Path) -> Build:
    def run(output: str = "out", **changes: str | None) -> Path:
        options = {
            "package": str(source / "python" / "sageattention"),
            "library": str(source / "built" / "libsageattn.so"),
            "fatbin": str(source / "built" / "kernels.fatbin"),
            "output": str(source / output),
            **DEFAULTS,
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        parser = argparse.ArgumentParser()
        wheel.add_arguments(parser)
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        assert wheel.run(parser.parse_args(given)) == 0
        (path,) = (source / output).iterdir()
        return path

    return run


def test_a_package_of_its_own_with_a_copy_of_another(build: Build, source: Path) -> None:
    """A link to another package becomes a copy of it; a pyproject.toml in the package goes before the one beside it."""
    outer = source / "python" / "outer"
    for name, text in {"__init__.py": "", "pyproject.toml": PYPROJECT, "README.md": "# outer"}.items():
        handover.write(outer / name, text.replace('name = "sageattention"', 'name = "outer"').encode())
    (outer / "_core").symlink_to(Path("..", "sageattention"), target_is_directory=True)
    path = build(package=str(outer), license=str(source / "LICENSE"))
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("outer/")]
    assert path.name.startswith("outer-2.2.0-")
    assert names == [
        "outer/__init__.py",
        "outer/_core/__init__.py",
        "outer/_core/core.py",
        "outer/_core/deep/__init__.py",
        "outer/_core/py.typed",
        "outer/lib/kernels.fatbin",
        "outer/lib/libsageattn.so",
    ]


def test_name_and_contents(build: Build) -> None:
    path = build()
    assert path.name == "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [
            "sageattention/__init__.py",
            "sageattention/core.py",
            "sageattention/deep/__init__.py",
            "sageattention/lib/kernels.fatbin",
            "sageattention/lib/libsageattn.so",
            "sageattention/py.typed",
            "sageattention-2.2.0.dist-info/METADATA",
            "sageattention-2.2.0.dist-info/WHEEL",
            "sageattention-2.2.0.dist-info/entry_points.txt",
            "sageattention-2.2.0.dist-info/licenses/LICENSE",
            "sageattention-2.2.0.dist-info/RECORD",
        ]
        for info in archive.infolist():
            mode = 0o755 if info.filename.endswith(".so") else 0o644
            assert info.external_attr >> 16 == 0o100000 | mode, info.filename
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
    assert record.wheel_findings(path) == []


def test_metadata(build: Build) -> None:
    with zipfile.ZipFile(build()) as archive:
        text = archive.read("sageattention-2.2.0.dist-info/METADATA").decode()
    message = HeaderParser().parsestr(text)
    assert message.items() == [
        ("Metadata-Version", "2.4"),
        ("Name", "sageattention"),
        ("Version", "2.2.0"),
        ("Summary", "Quantised attention"),
        ("Keywords", "attention,cuda"),
        ("License-Expression", "Apache-2.0"),
        ("License-File", "LICENSE"),
        ("Requires-Python", ">=3.12,<3.13"),
        ("Requires-Dist", "torch==2.8.*"),
        ("Description-Content-Type", "text/markdown"),
    ]
    assert message.get_payload() == "# SageAttention – fast\n"


def test_wheel_file(build: Build) -> None:
    with zipfile.ZipFile(build()) as archive:
        text = archive.read("sageattention-2.2.0.dist-info/WHEEL").decode()
    assert text == (
        "Wheel-Version: 1.0\nGenerator: sagebuild\nRoot-Is-Purelib: false\n"
        "Tag: cp312-cp312-linux_x86_64\nBuild: 280.129\n"
    )


def test_compressed_tags_are_expanded_and_the_build_tag_is_optional(build: Build) -> None:
    path = build(build_tag=None, python_tag="cp39.cp310", abi_tag="none", platform_tag="any")
    assert path.name == "sageattention-2.2.0-cp39.cp310-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        fields = HeaderParser().parsestr(
            archive.read("sageattention-2.2.0.dist-info/WHEEL").decode()
        )
    assert fields.get_all("Tag") == ["cp39-none-any", "cp310-none-any"]
    assert fields["Build"] is None


def test_same_inputs_give_the_same_bytes(
    build: Build, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build("first").read_bytes()
    for path in sorted(source.rglob("*.py"), reverse=True):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert build("second").read_bytes() == first


def test_relative_paths(build: Build, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build("first").read_bytes()
    monkeypatch.chdir(source / "python")
    assert build("second", package="sageattention").read_bytes() == first
    monkeypatch.chdir(source / "python" / "sageattention")
    assert build("third", package=".").read_bytes() == first


def test_source_date_epoch_stamps_every_entry(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with zipfile.ZipFile(build()) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": "2.2"}, None),
        ({"version": "2.2.0+cu129.torch2.8"}, None),
        ({"version": "2.2.0rc1"}, None),
        ({"version": "02.2.0"}, "normalised PEP 440"),
        ({"version": "2.2.0-1"}, "normalised PEP 440"),
        ({"version": "v2.2.0"}, "normalised PEP 440"),
        ({"version": ""}, "normalised PEP 440"),
        ({"build_tag": "cu129"}, "must start with a digit"),
        ({"build_tag": "280-129"}, "must start with a digit"),
        ({"python_tag": "cp312-cp312"}, "python tag"),
        ({"abi_tag": ""}, "abi tag"),
        ({"platform_tag": "linux_x86_64/.."}, "platform tag"),
        ({"platform_tag": "manylinux_2_17_x86_64.manylinux2014_x86_64"}, None),
        ({"requires": "torch 2.8"}, "requirement"),
        ({"requires": "torch==2.8.*\nName: other"}, "requirement"),
        ({"requires_python": "3.12"}, "requires-python"),
        ({"requires_python": None}, None),
    ],
)
def test_names_and_versions(
    build: Build, source: Path, changes: dict[str, str | None], text: str | None
) -> None:
    if text is None:
        assert record.wheel_findings(build(**changes)) == []
        return
    with pytest.raises(wheel.WheelError, match=text):
        build(**changes)
    assert not (source / "out").exists()


@pytest.mark.parametrize("name", ["built/libsageattn.so", "built/kernels.fatbin"])
def test_flipped_bit(build: Build, source: Path, name: str) -> None:
    data = bytearray((source / name).read_bytes())
    data[50] ^= 1
    (source / name).write_bytes(data)
    with pytest.raises(BuildError, match="is not what was compiled"):
        build()
    assert not (source / "out").exists()


@pytest.mark.parametrize(
    ("name", "data", "error", "text"),
    [
        ("built/libsageattn.so", b"", wheel.WheelError, "starts with nothing"),
        ("built/libsageattn.so", b"#!/bin/sh", wheel.WheelError, "starts with 23212f62"),
        (
            "built/kernels.fatbin",
            b"\x7fELF",
            wheel.WheelError,
            "kernels.fatbin starts with 7f454c46",
        ),
        ("built/kernels.fatbin", None, FileNotFoundError, "kernels.fatbin"),
        ("python/sageattention/__init__.py", None, wheel.WheelError, "has no __init__.py"),
        ("LICENSE", None, wheel.WheelError, "no LICENSE in"),
        (
            "python/pyproject.toml",
            b"[project]\n",
            project.ProjectError,
            r"\[project\] lacks name, ",
        ),
        ("python/pyproject.toml", b"[project\n", project.ProjectError, "pyproject.toml: "),
    ],
)
def test_bad_inputs(
    build: Build, source: Path, name: str, data: bytes | None, error: type[Exception], text: str
) -> None:
    if data is None:
        (source / name).unlink()
    else:
        handover.write(source / name, data)
    with pytest.raises(error, match=text):
        build()
    assert not (source / "out").exists()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [("today", "is 'today'"), ("\u00b2", "not a number"), ("1700000000000", "is 1700000000000, after 2107")],
)
def test_bad_epoch(seconds: str, text: str, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", seconds)
    with pytest.raises(wheel.WheelError, match=f"SOURCE_DATE_EPOCH .*{text}"):
        build()


def test_the_last_epoch(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(wheel.LAST_EPOCH))
    with zipfile.ZipFile(build()) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {2107}


def test_a_failed_write_leaves_nothing(
    build: Build, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(wheel.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        build()
    assert list((source / "out").iterdir()) == []


def test_pip_installs_it(build: Build, source: Path) -> None:
    path = build(python_tag="py3", abi_tag="none", platform_tag="any", requires_python=">=3.9")
    target = source / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    result = subprocess.run(
        [*command, "--target", str(target), str(path)], check=False, capture_output=True, text=True
    )
    if "No module named pip" in result.stderr:
        pytest.skip("this Python has no pip")
    assert result.returncode == 0, result.stderr
    (installed,) = metadata.distributions(name="sageattention", path=[str(target)])
    assert installed.requires == ["torch==2.8.*"]
    assert {(point.group, point.name, point.value) for point in installed.entry_points} == {
        ("one.plugins", "sageattention", "sageattention.one:register"),
        ("others", "first", "sageattention.core:f"),
        ("others", "second", "sageattention.core:g"),
    }
    assert record.installed_findings(installed) == []
    assert os.access(target / "sageattention/lib/libsageattn.so", os.X_OK)


def test_compiled_json_gets_the_hashes_of_the_native_files(build: Build, source: Path) -> None:
    handover.write(source / "compiled.json", b'{"format":1,"images":[]}\n')
    with zipfile.ZipFile(build(compiled=str(source / "compiled.json"))) as archive:
        names = [name for name in archive.namelist() if name.startswith("sageattention/lib/")]
        found = json.loads(archive.read("sageattention-2.2.0.dist-info/compiled.json"))
        assert found["format"] == 1 and found["images"] == []
        assert found["files"] == {name: hashlib.sha256(archive.read(name)).hexdigest() for name in sorted(names)}
        assert len(names) == 2


def test_sboms_lie_in_dist_info(build: Build, source: Path) -> None:
    bom = source / "built" / "tool.cdx.json"
    bom.write_text("{}")
    path = build(sbom=str(bom))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("sageattention-2.2.0.dist-info/sboms/tool.cdx.json") == b"{}"
    assert record.wheel_findings(path) == []


def test_refuses_an_sbom_of_another_name(build: Build, source: Path) -> None:
    bom = source / "built" / "tool.json"
    bom.write_text("{}")
    with pytest.raises(wheel.WheelError, match="PEP 770"):
        build(sbom=str(bom))
