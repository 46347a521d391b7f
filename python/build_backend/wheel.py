"""Writes the wheel of one cell: package, shared library and fatbin in, one file out.

The same inputs give the same bytes: entries are sorted and stamped with SOURCE_DATE_EPOCH, permissions and
compression are fixed. Rules: PEP 427 (file names, WHEEL, RECORD), PEP 376 (RECORD), PEP 440 (versions),
core metadata 2.4 (PEP 639 licences). Needs Python 3.9 and its standard library.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import os
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import compiled, handover, project, sbom
from .errors import BuildError

GENERATOR = "sagebuild"
METADATA_VERSION = "2.4"
ZIP_EPOCH = 315532800  # 1980-01-01, the oldest time that a zip can hold
LAST_EPOCH = 4354819199  # of 2107-12-31, the last
# Of the default wheel's 22 MB of kernels zlib makes 5.67 MB in 1.5 s at this level, 5.60 MB in 6.6 s at 9.
COMPRESSION_LEVEL = 7

_TAG = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_BUILD_TAG = re.compile(r"[0-9][A-Za-z0-9_.]*")
# PEP 440 in its normalised form, and nothing else: the file name repeats it.
_VERSION = re.compile(
    r"([1-9][0-9]*!)?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*"
    r"((a|b|rc)(0|[1-9][0-9]*))?(\.post(0|[1-9][0-9]*))?(\.dev(0|[1-9][0-9]*))?"
    r"(\+[a-z0-9]+(\.[a-z0-9]+)*)?"
)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*((===|[<>=!~]=|[<>])[^;\s]+)?(\s*;.+)?")
_SPECIFIERS = re.compile(
    r"((===|[<>=!~]=|[<>])[0-9][0-9A-Za-z.*+!]*)(,\s*(===|[<>=!~]=|[<>])[0-9A-Za-z.*+!]+)*"
)

_FATBIN_MAGIC = b"\x50\xed\x55\xba"
_LIBRARY_MAGICS = (b"\x7fELF", b"MZ")


class WheelError(BuildError):
    """An input from which no valid wheel can be made."""


class Tags(NamedTuple):
    """The compatibility tags of a wheel; each may be several, joined by dots."""

    python: str
    abi: str
    platform: str

    def __str__(self) -> str:
        return "-".join(self)

    def expand(self) -> Iterator[str]:
        """Every single tag, in the order of the WHEEL file (PEP 425, compressed tag sets)."""
        parts = (part.split(".") for part in self)
        return ("-".join(tag) for tag in itertools.product(*parts))


class Entry(NamedTuple):
    """One file of the wheel."""

    name: str
    data: bytes
    executable: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the `wheel` command."""
    add = parser.add_argument
    add("--package", type=Path, required=True, metavar="DIR", help="the Python package")
    add("--library", type=Path, required=True, metavar="FILE", help="libsageattn.so, sageattn.dll")
    add("--fatbin", type=Path, required=True, metavar="FILE", help="the kernels of one CUDA")
    add("--version", required=True, help="for example 2.2.0")
    add("--build-tag", help="for example 280.129; none by default")
    add("--python-tag", required=True, help="for example cp312")
    add("--abi-tag", required=True, help="for example cp312")
    add("--platform-tag", required=True, help="for example linux_x86_64")
    add("--requires", action="append", default=[], help="a requirement, for example 'torch==2.8.*'")
    add("--requires-python", help="instead of pyproject.toml's, for example '>=3.12,<3.13'")
    add("--pyproject", type=Path, metavar="FILE", help="default: that in the package, or beside it")
    add(
        "--license",
        type=Path,
        metavar="FILE",
        help="default: LICENSE beside or above pyproject.toml",
    )
    add(
        "--sbom", type=Path, action="append", default=[], metavar="FILE", help="for dist-info/sboms"
    )
    add("--compiled", type=Path, metavar="FILE", help="what fatbin wrote of the cubins")
    add("--output", type=Path, required=True, metavar="DIR", help="where the wheel goes")


def run(args: argparse.Namespace) -> int:
    """Writes the wheel and prints its path. Raises WheelError, before anything is written, or OSError."""
    tags = Tags(args.python_tag, args.abi_tag, args.platform_tag)
    check_names(args.version, args.build_tag, tags)
    facts = project.read(_pyproject(args))
    entries = payload(args.package, args.library, args.fatbin)
    entries += dist_info(facts, args, tags)
    if args.compiled:
        entries.append(_compiled(args, f"{_dist_info_name(facts['name'], args.version)}/{compiled.NAME}"))
    path = args.output / file_name(facts["name"], args.version, args.build_tag, tags)
    write(path, entries, record_name(facts["name"], args.version), epoch())
    print(path)
    return 0


def _pyproject(args: argparse.Namespace) -> Path:
    return args.pyproject or project.locate(args.package)


def check_names(version: str, build_tag: str | None, tags: Tags) -> None:
    """Raises WheelError unless all of them can stand in a wheel's file name."""
    if not _VERSION.fullmatch(version):
        raise WheelError(f"version {version!r} is not a normalised PEP 440 version such as 2.2.0")
    if build_tag and not _BUILD_TAG.fullmatch(build_tag):
        raise WheelError(
            f"build tag {build_tag!r} must start with a digit, such as 280.129 (PEP 427)"
        )
    for field, tag in zip(Tags._fields, tags):
        if not _TAG.fullmatch(tag):
            raise WheelError(
                f"{field} tag {tag!r} may hold letters, digits, _ and . only (PEP 425)"
            )


def _escape(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def file_name(name: str, version: str, build_tag: str | None, tags: Tags) -> str:
    """The wheel's file name (PEP 427)."""
    parts = [_escape(name), version, build_tag, *tags]
    return "-".join(part for part in parts if part) + ".whl"


def _dist_info_name(name: str, version: str) -> str:
    return f"{_escape(name)}-{version}.dist-info"


def record_name(name: str, version: str) -> str:
    """Where the wheel keeps its RECORD."""
    return f"{_dist_info_name(name, version)}/RECORD"


def payload(package: Path, library: Path, fatbin: Path) -> list[Entry]:
    """The files that are installed beside the dist-info, native ones checked by their first bytes."""
    if not (package / "__init__.py").is_file():
        raise WheelError(f"{package} is no package: it has no __init__.py")
    name = package.resolve().name
    entries = [
        Entry(f"{name}/{path.relative_to(package).as_posix()}", path.read_bytes())
        for path in package_files(package)
    ]
    entries.append(Entry(f"{name}/lib/{library.name}", _native(library, _LIBRARY_MAGICS), True))
    entries.append(Entry(f"{name}/lib/{fatbin.name}", _native(fatbin, (_FATBIN_MAGIC,))))
    return entries


def package_files(package: Path) -> Iterator[Path]:
    """Python files and the typing marker, without tests, caches, built files and hidden ones.

    A folder that is a link to another package counts as a copy of that package.
    """
    found = (Path(folder, name) for folder, _, names in os.walk(package, followlinks=True) for name in names)
    for path in sorted(found):
        parts = path.relative_to(package).parts
        skipped = any(part.startswith(".") or part in ("__pycache__", "tests") for part in parts)
        if not skipped and (path.suffix == ".py" or path.name == "py.typed"):
            yield path


def _native(path: Path, magics: tuple[bytes, ...]) -> bytes:
    data = handover.read(path)
    if not data.startswith(magics):
        raise WheelError(
            f"{path} starts with {data[:4].hex() or 'nothing'}, not with a known magic"
        )
    return data


def dist_info(facts: dict[str, Any], args: argparse.Namespace, tags: Tags) -> list[Entry]:
    """METADATA, WHEEL, entry points, the licences and the SBOMs (PEP 770)."""
    pyproject = _pyproject(args)
    folder = _dist_info_name(facts["name"], args.version)
    licenses = [_license(pyproject.parent, name, args.license) for name in facts["license-files"]]
    requires_python = args.requires_python or facts["requires-python"]
    readme = (pyproject.parent / facts["readme"]).read_text("utf-8")
    text = metadata(facts, args.version, args.requires, requires_python, readme)
    entries = [
        Entry(f"{folder}/METADATA", text.encode()),
        Entry(f"{folder}/WHEEL", wheel_file(args.build_tag, tags).encode()),
    ]
    if "entry-points" in facts:
        entries.append(
            Entry(f"{folder}/entry_points.txt", entry_points(facts["entry-points"]).encode())
        )
    for name, path in zip(facts["license-files"], licenses):
        entries.append(Entry(f"{folder}/licenses/{name}", path.read_bytes()))
    for path in args.sbom:
        if not path.name.endswith(sbom.SUFFIXES):
            raise WheelError(f"{path.name} does not end in {' or '.join(sbom.SUFFIXES)} (PEP 770)")
        entries.append(Entry(f"{folder}/{sbom.FOLDER}/{path.name}", path.read_bytes()))
    return entries


def _compiled(args: argparse.Namespace, name: str) -> Entry:
    """What the steps made, with the hashes of the native files."""
    folder = f"{args.package.resolve().name}/lib"
    files = {f"{folder}/{path.name}": path for path in (args.library, args.fatbin)}
    return Entry(name, compiled.with_files(handover.read(args.compiled), files))


def _license(folder: Path, name: str, given: Path | None) -> Path:
    for path in [given] if given else [folder / name, folder.parent / name]:
        if path.is_file():
            return path
    raise WheelError(f"no {name} in {folder} or above: name it with --license")


def metadata(
    facts: dict[str, Any], version: str, requires: list[str], requires_python: str, readme: str
) -> str:
    """The METADATA file. Raises WheelError for a requirement that pip could not read."""
    for requirement in requires:
        if not _REQUIREMENT.fullmatch(requirement):
            raise WheelError(f"requirement {requirement!r} is not like 'torch==2.8.*'")
    if not _SPECIFIERS.fullmatch(requires_python):
        raise WheelError(f"requires-python {requires_python!r} is not like '>=3.12,<3.13'")
    fields = [
        ("Metadata-Version", METADATA_VERSION),
        ("Name", facts["name"]),
        ("Version", version),
        ("Summary", facts["description"]),
        ("Keywords", ",".join(facts.get("keywords", []))),
        ("License-Expression", facts["license"]),
        *(("License-File", name) for name in facts["license-files"]),
        ("Requires-Python", requires_python),
        *(("Requires-Dist", requirement) for requirement in requires),
        ("Description-Content-Type", "text/markdown"),
    ]
    return _headers(fields) + "\n" + readme


def wheel_file(build_tag: str | None, tags: Tags) -> str:
    """The WHEEL file."""
    fields = [("Wheel-Version", "1.0"), ("Generator", GENERATOR), ("Root-Is-Purelib", "false")]
    fields += [("Tag", tag) for tag in tags.expand()]
    if build_tag:
        fields.append(("Build", build_tag))
    return _headers(fields)


def entry_points(groups: dict[str, dict[str, str]]) -> str:
    """The entry_points.txt of [project.entry-points] (entry points specification of packaging.python.org)."""
    sections = (
        "".join([f"[{group}]\n", *(f"{name} = {value}\n" for name, value in points.items())])
        for group, points in groups.items()
    )
    return "\n".join(sections)


def _headers(fields: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields if value)


def epoch() -> int:
    """Seconds that every entry is stamped with: SOURCE_DATE_EPOCH, or 1980 where it is unset or older."""
    text = os.environ.get("SOURCE_DATE_EPOCH", str(ZIP_EPOCH))
    if not text.isdecimal():
        raise WheelError(f"SOURCE_DATE_EPOCH is {text!r}, not a number of seconds")
    if int(text) > LAST_EPOCH:
        raise WheelError(f"SOURCE_DATE_EPOCH is {text}, after 2107: it counts seconds, not milliseconds")
    return max(int(text), ZIP_EPOCH)


def write(path: Path, entries: list[Entry], record: str, seconds: int) -> None:
    """Writes the wheel beside its place and renames it there: no reader meets half a file.

    The dist-info folder comes last and RECORD last of all, as PEP 427 recommends.
    """
    folder = record.rsplit("/", 1)[0] + "/"
    entries = sorted(entries, key=lambda entry: (entry.name.startswith(folder), entry.name))
    entries.append(Entry(record, record_text(entries, record).encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(aside, "w") as archive:
            for entry in entries:
                archive.writestr(
                    _zip_info(entry, seconds), entry.data, compresslevel=COMPRESSION_LEVEL
                )
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def record_text(entries: list[Entry], record: str) -> str:
    """The RECORD file: name, SHA-256 and size of every other file."""
    lines = (f"{entry.name},{digest(entry.data)},{len(entry.data)}\n" for entry in entries)
    return "".join(lines) + f"{record},,\n"


def digest(data: bytes) -> str:
    """A hash as RECORD writes it: sha256= and URL-safe base64 without padding."""
    encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + encoded.rstrip(b"=").decode()


def _zip_info(entry: Entry, seconds: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(entry.name, time.gmtime(seconds)[:6])
    info.create_system = 3  # Unix, wherever this runs
    info.external_attr = (0o100755 if entry.executable else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
