"""The installed wheel is the one that the build meant, whole and with all its kernels."""

from __future__ import annotations

import sys
from email.message import Message
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
import torch
from support import fatbin, record
from support.expectation import expect, planned_kernels, universal, wheel_file

from sageattention import _library


def wheel_fields(distribution: metadata.Distribution) -> Message:
    return HeaderParser().parsestr(distribution.read_text("WHEEL") or "")


def test_installed_files_are_those_of_record(distribution: metadata.Distribution) -> None:
    assert record.installed_findings(distribution) == []


def test_wheel_file_agrees_with_its_record() -> None:
    assert record.wheel_findings(wheel_file()) == []


def test_contents_are_exactly_these_kinds(distribution: metadata.Distribution) -> None:
    names = [str(path) for path in distribution.files or []]
    native = {name for name in names if name.startswith("sageattention/lib/")}
    library = _library.library_path().name
    assert native == {f"sageattention/lib/{library}", "sageattention/lib/sageattn.fatbin"}
    assert not [name for name in names if "test" in name.lower()]
    assert [name for name in names if name.endswith("dist-info/licenses/LICENSE")]


def test_version(distribution: metadata.Distribution) -> None:
    assert distribution.version == expect("VERSION")


def test_tags(distribution: metadata.Distribution) -> None:
    fields = wheel_fields(distribution)
    assert fields.get_all("Tag") == [expect("TAG")]
    assert (fields["Build"] or "") == expect("BUILD_TAG")
    assert fields["Root-Is-Purelib"] == "false"


def test_file_name() -> None:
    parts = ["sageattention", *(expect(name) for name in ("VERSION", "BUILD_TAG", "TAG"))]
    assert wheel_file().name == "-".join(part for part in parts if part) + ".whl"


def test_requires_the_torch_of_the_cell(distribution: metadata.Distribution) -> None:
    major, minor = expect("TORCH").split(".")[:2]
    wanted = "torch>=2.4" if universal() else f"torch=={major}.{minor}.*"
    assert distribution.requires == [wanted]


def test_requires_the_python_of_the_cell(distribution: metadata.Distribution) -> None:
    major, minor = sys.version_info[:2]
    wanted = [">=3.9"] if universal() else [f"<{major}.{minor + 1}", f">={major}.{minor}"]
    assert sorted(distribution.metadata["Requires-Python"].split(",")) == wanted


def test_runs_on_the_torch_of_the_cell() -> None:
    assert str(torch.__version__).split("+")[0] == expect("TORCH")


def test_fatbin_holds_the_planned_kernels(distribution: metadata.Distribution) -> None:
    ptx = expect("PTX")
    data = _library.fatbin_path().read_bytes()
    assert fatbin.findings(data, planned_kernels(), "" if ptx == "none" else ptx) == []


def test_library_opens_and_reads_the_fatbin(distribution: metadata.Distribution) -> None:
    assert _library.library()


def test_every_lost_image_is_noticed(distribution: metadata.Distribution) -> None:
    entries = fatbin.read_file(_library.fatbin_path())
    planned = fatbin.by_sm(entries, fatbin.CUBIN)
    ptx = "".join(fatbin.by_sm(entries, fatbin.PTX))
    raw = [entry.raw for entry in entries]
    assert fatbin.findings(fatbin.build(raw), planned, ptx) == []
    for lost in range(len(raw)):
        data = fatbin.build(raw[:lost] + raw[lost + 1 :])
        assert fatbin.findings(data, planned, ptx) != [], entries[lost].sm


@pytest.mark.parametrize("damage", ["changed", "shortened", "lost", "added"])
def test_every_damaged_file_is_noticed(
    distribution: metadata.Distribution, tmp_path: Path, damage: str
) -> None:
    root = tmp_path / "site-packages"
    record.copy_installed(distribution, root)
    (copied,) = metadata.distributions(name="sageattention", path=[str(root)])
    assert record.installed_findings(copied) == []
    victim = root / "sageattention" / "lib" / "sageattn.fatbin"
    data = victim.read_bytes()
    if damage == "lost":
        victim.unlink()
    elif damage == "added":
        victim.with_name("extra.so").write_bytes(data)
    else:
        victim.write_bytes(data[:-1] + (b"" if damage == "shortened" else bytes([data[-1] ^ 1])))
    assert len(record.installed_findings(copied)) >= 1
