"""The SBOM: what it lists of the lock files, that it is the same each time, and what it refuses."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from build_backend import project, sbom

ROOT = Path(__file__).parents[3]
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: GNU C Library
 Package: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: half
Status: install ok half-installed
Architecture: amd64
Version: 1.0

Package: zlib1g
Status: install ok unpacked
Architecture: amd64
Version: 1:9.9
"""
SYSTEM = """architecture = "amd64"

base {{
  suite = "bookworm"
  packages = {{
    "libc6"  = "2.36-9+deb12u14 sha256:{}"
    "zlib1g" = "1:1.2.13 sha256:{}"
  }}
}}

python "3.9" {{
  debian {{
    suite = "bullseye"
    packages = {{
      "python3.9-minimal" = "3.9.2-1 sha256:{}"
    }}
  }}
  tree = "sha256:00"
}}

python "3.12" {{
  module {{
    path    = "example.org/python"
    version = "v0.0.0-3.12.3-20240415-1"
    sum     = "h1:abc="
  }}
  tree = "sha256:11"
}}

platform "windows" {{
  emulator {{
    suite = "bookworm"
  }}

  python "3.12" {{
    module {{
      path    = "example.org/python"
      version = "v0.0.0-3.12.3-20240415-1"
      sum     = "h1:abc="
    }}
    tree = "sha256:22"
  }}
}}
""".format("a" * 64, "b" * 64, "c" * 64)
LOCK = "# written by hand\nuv==0.13.9 \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}\n".format(
    "e" * 64,
    "d" * 64,
)
PYPROJECT = """[project]
name = "sageattention"
description = "x"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.9"
"""


def write(folder: Path, **changes: str) -> bytes:
    """Runs the command on small inputs and returns the bytes of its file."""
    options = {
        "python": "3.12",
        "build_tag": "280.129",
        "lock": LOCK,
        "system": SYSTEM,
        "status": STATUS,
        **changes,
    }
    files = {
        "pyproject.toml": PYPROJECT,
        "uv.txt": options["lock"],
        "system.hcl": options["system"],
    }
    for name, text in {**files, "status": options["status"]}.items():
        (folder / name).write_text(text)
    parser = argparse.ArgumentParser()
    sbom.add_arguments(parser)
    given = [f"--package={folder / 'sageattention'}", "--version=2.2.0"]
    given += [f"--build-tag={options['build_tag']}"]
    given += [f"--wheels={folder / 'uv.txt'}", f"--system={folder / 'system.hcl'}"]
    given += [f"--dpkg-status={folder / 'status'}", f"--python={options['python']}"]
    assert sbom.run(parser.parse_args([*given, f"--output={folder / 'out' / 'a.cdx.json'}"])) == 0
    return (folder / "out" / "a.cdx.json").read_bytes()


def components(text: bytes) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in json.loads(text)["components"]}


def facts(part: dict[str, Any]) -> dict[str, str]:
    return {p["name"].removeprefix("sagebuild:"): p["value"] for p in part["properties"]}


def test_subject(tmp_path: Path) -> None:
    bom = json.loads(write(tmp_path))
    subject = bom["metadata"]["component"]
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert subject["purl"] == "pkg:pypi/sageattention@2.2.0"
    assert facts(subject) == {"build-tag": "280.129"}


def test_locked_wheels_carry_every_hash_of_the_lock(tmp_path: Path) -> None:
    part = components(write(tmp_path))["uv"]
    assert (part["version"], part["purl"]) == ("0.13.9", "pkg:pypi/uv@0.13.9")
    assert [entry["content"][0] for entry in part["hashes"]] == ["d", "e"]
    assert facts(part) == {"role": "installs the compilers", "lock": "lock/uv.txt"}


def test_base_is_what_dpkg_says(tmp_path: Path) -> None:
    parts = components(write(tmp_path))
    assert parts["libc6"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert parts["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64"
    assert parts["zlib1g"]["version"] == "1:9.9"
    assert "hashes" not in parts["zlib1g"], "the lock pins another version"
    assert "gone" not in parts and "half" not in parts


def test_interpreter_of_a_module(tmp_path: Path) -> None:
    part = components(write(tmp_path))["cpython"]
    assert part["version"] == "3.12.3"
    assert facts(part)["module-sum"] == "h1:abc="
    assert facts(part)["tree"] == "sha256:11"


def test_interpreter_of_debian_packages(tmp_path: Path) -> None:
    parts = components(write(tmp_path, python="3.9"))
    assert parts["python3.9-minimal"]["hashes"][0]["content"] == "c" * 64
    assert "cpython" not in parts


def test_interpreter_of_an_emulated_platform(tmp_path: Path) -> None:
    part = components(write(tmp_path, python="windows/3.12"))["cpython"]
    assert facts(part)["tree"] == "sha256:22"


def test_a_universal_wheel_names_no_interpreter_and_no_build_tag(tmp_path: Path) -> None:
    text = write(tmp_path, python="", build_tag="")
    parts = components(text)
    assert "cpython" not in parts and "libc6" in parts
    assert "properties" not in json.loads(text)["metadata"]["component"]


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert write(tmp_path / "a") == write(tmp_path / "b")
    backwards = "\n\n".join(reversed(STATUS.strip().split("\n\n")))
    assert write(tmp_path / "a") == write(tmp_path / "b", status=backwards)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lock": "uv==0.13.9\n"}, "no version pinned by hash"),
        ({"lock": "uv>=0.13.9 --hash=sha256:" + "a" * 64}, "no version pinned by hash"),
        ({"status": ""}, "no package that is there"),
        ({"python": "3.8"}, "has no python 3.8"),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(sbom.SBOMError, match=message):
        write(tmp_path, **changes)
    assert not (tmp_path / "out").exists()


def test_reads_the_real_lock() -> None:
    blocks = sbom.read_system((ROOT / "lock" / "system.hcl").read_text())
    assert blocks["base"].packages["zlib1g"][0].startswith("1:1.2")
    for block in (blocks["python 3.9"], blocks["python 3.12"]):
        assert "tree" in block.attributes
    for path in sorted((ROOT / "lock").glob("toolchain-cu*.txt")):
        parts = list(sbom.wheel_components(path))
        assert any(part["name"].startswith("nvidia-cuda-nvrtc") for part in parts)
        assert all(part["hashes"] for part in parts)
        assert {facts(part)["role"].split(",")[0] for part in parts} == {"compiles the device code"}


def test_the_name_in_the_purl_is_the_projects() -> None:
    name = project.read(ROOT / "python" / "pyproject.toml")["name"]
    assert f"pkg:pypi/{name}@1.0" in sbom.document(name, "1.0", None, [])
