"""Writes what a wheel was made with as an SBOM: CycloneDX 1.6, for dist-info/sboms (PEP 770).

None of it is in the wheel as a file; the compilers' headers and built-in functions are in its machine code. So
every component has the scope "excluded", and a property says what it was for. Versions and hashes come from lock/.
Of the base it lists what dpkg says is there, with the lock's hash where that pins the very same version: with
another base image the list is that image's. The same inputs give the same bytes: no time, no serial number.
Needs Python 3.9 and its standard library.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from . import project
from .errors import BuildError

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
FOLDER = "sboms"  # below dist-info
SUFFIXES = (".cdx.json", ".spdx.json")

# What the wheels of a lock file are for, by the start of the file's name.
_ROLES = {
    "uv": "installs the compilers",
    "toolchain": "compiles the device code, with its headers and built-in functions",
    "host-toolchain": "compiles the host library",
}
_BASE = "root file system of every build step"
_INTERPRETER = "CPython that the tests of this wheel run on"

_WHEEL = re.compile(r"([A-Za-z0-9._-]+)==(\S+)((\s+--hash=sha256:[0-9a-f]{64})+)")
_PACKAGE = re.compile(r'"([^"]+)"\s*=\s*"(\S+) sha256:([0-9a-f]{64})"')
_ATTRIBUTE = re.compile(r'(suite|path|version|sum|tree)\s*=\s*"([^"]+)"')

Component = dict[str, Any]


class SBOMError(BuildError):
    """A lock file or package database that cannot be read."""


class Package(NamedTuple):
    """A Debian package as dpkg knows it."""

    name: str
    version: str
    architecture: str


class Block(NamedTuple):
    """A top-level block of lock/system.hcl: pinned packages (version, SHA-256) and plain attributes."""

    packages: dict[str, tuple[str, str]]
    attributes: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the `sbom` command."""
    add = parser.add_argument
    add("--package", type=Path, required=True, metavar="DIR", help="the Python package")
    add("--version", required=True, help="of the wheel, for example 2.2.0")
    add("--build-tag", help="of the wheel, for example 280.129")
    add("--wheels", type=Path, nargs="+", default=[], metavar="FILE", help="locked wheels")
    add("--system", type=Path, required=True, metavar="FILE", help="lock/system.hcl")
    add("--dpkg-status", type=Path, required=True, metavar="FILE", help="dpkg's database")
    add(
        "--python",
        default="",
        help="that the wheel is for: 3.12, windows/3.12 of an emulated platform; none by default",
    )
    add("--output", type=Path, required=True, metavar="FILE", help="ends in .cdx.json")


def run(args: argparse.Namespace) -> int:
    """Writes the SBOM. Raises SBOMError, before anything is written, or OSError."""
    name = project.read(project.locate(args.package))["name"]
    blocks = read_system(args.system.read_text("utf-8"))
    components = [part for path in args.wheels for part in wheel_components(path)]
    components += base_components(args.dpkg_status.read_text("utf-8"), blocks.get("base"))
    if args.python:
        components += interpreter_components(args.python, blocks)
    text = document(name, args.version, args.build_tag, components)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, "utf-8")
    return 0


def document(name: str, version: str, build_tag: str | None, components: list[Component]) -> str:
    """The SBOM of a wheel as JSON, with components in the order of their references."""
    subject: Component = {
        "type": "library",
        "bom-ref": "wheel",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version)}",
    }
    if build_tag:
        subject["properties"] = _properties(build_tag=build_tag)
    bom = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "sagebuild"}]},
            "component": subject,
        },
        "components": sorted(components, key=lambda part: part["bom-ref"]),
    }
    return json.dumps(bom, indent=1, ensure_ascii=False) + "\n"


def wheel_components(path: Path) -> Iterator[Component]:
    """The wheels that a pip requirement file pins. Raises SBOMError unless every one has a hash.

    A release has a file for each platform, and the lock admits them all: several SHA-256 mean one of these files.
    """
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _WHEEL.fullmatch(line.strip())
        if not match:
            raise SBOMError(f"{path.name}: no version pinned by hash in {line.strip()[:80]!r}")
        name, version = match[1], match[2]
        hashes = re.findall(r"sha256:([0-9a-f]{64})", match[3])
        role = _ROLES.get(re.sub(r"-cu\d+$", "", path.stem), "builds the wheel")
        purl = f"pkg:pypi/{name}@{quote(version)}"
        lock = f"lock/{path.name}"
        yield _component("application", name, version, purl, hashes, role=role, lock=lock)


def base_components(status: str, pinned: Block | None) -> Iterator[Component]:
    """The packages of the root file system. status: the text of /var/lib/dpkg/status."""
    packages = list(installed(status))
    if not packages:
        raise SBOMError("dpkg's database names no package that is there")
    for package in packages:
        yield _debian(package, pinned, _BASE)


def interpreter_components(version: str, blocks: dict[str, Block]) -> Iterator[Component]:
    """The CPython that the lock names for 3.12, or windows/3.12. Raises SBOMError where it names none."""
    platform, slash, version = version.rpartition("/")
    block = blocks.get(f"{platform}{slash}python {version}")
    if block is None:
        raise SBOMError(f"lock/system.hcl has no python {version} {platform}".rstrip())
    for name, (pinned, _) in block.packages.items():
        yield _debian(Package(name, pinned, ""), block, _INTERPRETER)
    module = block.attributes
    if "path" not in module:
        return
    release = re.search(r"-(\d+\.\d+\.\d+)-", module["version"])
    purl = f"pkg:golang/{module['path']}@{quote(module['version'])}"
    facts = {"module_sum": module["sum"], "tree": module["tree"], "lock": "lock/system.hcl"}
    yield _component(
        "platform",
        "cpython",
        release[1] if release else version,
        purl,
        [],
        role=_INTERPRETER,
        **facts,
    )


def installed(status: str) -> Iterator[Package]:
    """The packages of a dpkg status file whose files are there. In sagebuild's own root none is configured."""
    for stanza in status.split("\n\n"):
        fields = dict(
            re.findall(r"^(Package|Status|Version|Architecture): (.+)$", stanza, re.MULTILINE)
        )
        if fields.get("Status", "").endswith((" ok installed", " ok unpacked")):
            yield Package(fields["Package"], fields["Version"], fields["Architecture"])


def read_system(text: str) -> dict[str, Block]:
    """The blocks of lock/system.hcl by name: "base", "python 3.12", "windows/python 3.12" of a platform's block.

    It reads what `sagebuild lock` writes.
    """
    blocks: dict[str, Block] = {}
    platform, current = "", None
    for line in text.splitlines():
        if opened := re.fullmatch(r'platform "([^"]+)" \{', line):
            platform = opened[1] + "/"
        elif opened := re.fullmatch(("  " if platform else "") + r'(\w+)( "([^"]+)")? \{', line):
            name = platform + " ".join(filter(None, (opened[1], opened[3])))
            current = blocks.setdefault(name, Block({}, {}))
        elif line == "}":
            platform, current = "", None
        elif platform and line == "  }":
            current = None
        if current is None:
            continue
        if match := _PACKAGE.fullmatch(line.strip()):
            current.packages[match[1]] = (match[2], match[3])
        elif match := _ATTRIBUTE.fullmatch(line.strip()):
            current.attributes[match[1]] = match[2]
    return blocks


def _debian(package: Package, pinned: Block | None, role: str) -> Component:
    version, digest = pinned.packages.get(package.name, ("", "")) if pinned else ("", "")
    purl = f"pkg:deb/debian/{quote(package.name, safe='')}@{quote(package.version, safe=':')}"
    if package.architecture:
        purl += f"?arch={package.architecture}"
    locked = {"lock": "lock/system.hcl"} if version == package.version else {}
    hashes = [digest] if locked else []
    return _component("library", package.name, package.version, purl, hashes, role=role, **locked)


def _component(
    kind: str, name: str, version: str, purl: str, hashes: list[str], **facts: str
) -> Component:
    part: Component = {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": "excluded",
        "purl": purl,
    }
    if hashes:
        part["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)]
    part["properties"] = _properties(**facts)
    return part


def _properties(**facts: str) -> list[dict[str, str]]:
    names = {name: "sagebuild:" + name.replace("_", "-") for name in facts}
    return [{"name": names[name], "value": value} for name, value in facts.items()]
