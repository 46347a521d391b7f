"""The installed wheel is the one that the build meant: names, requirements, files, kernels of each SM."""

from __future__ import annotations

import sys
from email.parser import HeaderParser
from importlib import metadata

import torch
from support import fatbin, record
from support.expectation import expect, planned_kernels, universal, wheel_file

import sageattn3
from sageattn3 import _describe
from sageattn3._core import _kernels, _library
from sageattn3._core._kinds import KINDS


def test_installed_files_are_those_of_record(distribution: metadata.Distribution) -> None:
    assert record.installed_findings(distribution) == []


def test_names(distribution: metadata.Distribution) -> None:
    fields = HeaderParser().parsestr(distribution.read_text("WHEEL") or "")
    assert distribution.version == sageattn3.__version__ == expect("VERSION")
    assert fields.get_all("Tag") == [expect("TAG")] and (fields["Build"] or "") == expect("BUILD_TAG")
    parts = ["sageattn3", *(expect(name) for name in ("VERSION", "BUILD_TAG", "TAG"))]
    assert wheel_file().name == "-".join(part for part in parts if part) + ".whl"


def test_requirements(distribution: metadata.Distribution) -> None:
    torch_major, torch_minor = expect("TORCH").split(".")[:2]
    assert distribution.requires == ["torch>=2.8" if universal() else f"torch=={torch_major}.{torch_minor}.*"]
    major, minor = sys.version_info[:2]
    wanted = [">=3.9"] if universal() else [f"<{major}.{minor + 1}", f">={major}.{minor}"]
    assert sorted(distribution.metadata["Requires-Python"].split(",")) == wanted
    assert str(torch.__version__).split("+")[0] == expect("TORCH")


def test_files(distribution: metadata.Distribution) -> None:
    names = {str(path) for path in distribution.files or []}
    native = {name for name in names if "/lib/" in name}
    assert native == {f"sageattn3/lib/{_library.library_path().name}", "sageattn3/lib/sageattn3.fatbin"}
    assert {"sageattn3/api.py", "sageattn3/_core/__init__.py", "sageattn3/_core/_abi.py"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sageattn3"}
    assert not list(distribution.entry_points)


def test_fatbin_holds_the_planned_kernels(distribution: metadata.Distribution) -> None:
    ptx = expect("PTX")
    data = _library.fatbin_path().read_bytes()
    assert fatbin.findings(data, planned_kernels(), "" if ptx == "none" else ptx) == []


def test_library_opens_and_names_the_sms_of_fp4(distribution: metadata.Distribution) -> None:
    assert _library.library()
    assert _describe.fp4_sms() == [sm for sm in expect("SMS").split() if sm.startswith("12")]


def test_what_each_blackwell_gpu_loads(distribution: metadata.Distribution) -> None:
    for text in expect("SMS").split():
        major, minor = map(int, text.split("."))
        has_fp4 = _kernels.image((major, minor), KINDS["fp4"], 128) is not None
        assert has_fp4 == (major == 12)
        assert _kernels.image((major, minor), KINDS["fp16_masked"], 128) is not None
        assert _kernels.image((major, minor), KINDS["fp16_biased"], 128) is not None
    assert _kernels.image((10, 3), KINDS["fp16"], 64) is not None
    assert _kernels.image((12, 2), KINDS["fp4"], 64) is None


def test_choices_are_those_of_the_readme(distribution: metadata.Distribution) -> None:
    found = _describe.collect()["blackwell"]
    assert found["12.0"]["sageattn3_blackwell"]["by"] == "fp4"
    assert found["12.0"]["with a mask of rows"]["by"] == "int8"
    assert found["10.0"]["sageattn3_blackwell"]["by"] == "torch"
    assert found["10.3"]["with return_lse"]["by"] == "int8"
    assert found["11.0"]["with return_lse"]["by"] == "torch"
