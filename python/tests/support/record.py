"""Checks wheels and installed wheels against their RECORD."""

from __future__ import annotations

import base64
import csv
import hashlib
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Callable, NamedTuple

# Files that installers add after the fact.
_INSTALLER_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


class Row(NamedTuple):
    """One line of RECORD; digest and size are empty for RECORD itself."""

    name: str
    digest: str
    size: str


def parse(text: str) -> list[Row]:
    """The rows of a RECORD file. Raises ValueError for a line that is not three fields."""
    rows = []
    for line in csv.reader(text.splitlines()):
        if len(line) != 3:
            raise ValueError(f"RECORD line {line} has {len(line)} fields, not 3")
        rows.append(Row(*line))
    return rows


def _digest(data: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + encoded.rstrip(b"=").decode()


def line(name: str, data: bytes) -> str:
    """What RECORD says about a file."""
    return f"{name},{_digest(data)},{len(data)}"


def copy_installed(distribution: metadata.Distribution, target: Path) -> None:
    """Copies the files of an installed wheel, without those that lie outside of site-packages."""
    for path in distribution.files or []:
        if not str(path).startswith(".."):
            copied = target / path
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(Path(str(distribution.locate_file(path))).read_bytes())


def _compare(rows: Iterable[Row], read: Callable[[str], bytes]) -> list[str]:
    problems = []
    for row in rows:
        try:
            data = read(row.name)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            problems.append(f"{row.name} cannot be read: {error}")
            continue
        if _digest(data) != row.digest:
            problems.append(f"{row.name} does not have the hash that RECORD gives")
        if str(len(data)) != row.size:
            problems.append(f"{row.name} has {len(data)} bytes, RECORD says {row.size}")
    return problems


def wheel_findings(path: Path) -> list[str]:
    """What is wrong between a wheel file and its RECORD: both must name the same files."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        records = [name for name in names if name.endswith(".dist-info/RECORD")]
        if len(records) != 1:
            return [f"{path.name} has {len(records)} RECORD files"]
        rows = parse(archive.read(records[0]).decode())
        listed = [row.name for row in rows]
        problems = [f"{name} is there twice" for name in set(names) if names.count(name) > 1]
        problems += [f"{name} is not in RECORD" for name in set(names) - set(listed)]
        return problems + _compare((row for row in rows if row.name != records[0]), archive.read)


def installed_findings(distribution: metadata.Distribution) -> list[str]:
    """What is wrong between the installed files of a distribution and its RECORD."""
    text = distribution.read_text("RECORD")
    if text is None:
        return ["the installed wheel has no RECORD"]
    rows = parse(text)
    root = Path(str(distribution.locate_file("")))
    written = [row for row in rows if not _added_by_installer(row.name)]
    problems = _compare(written, lambda name: (root / name).read_bytes())
    package = root / distribution.metadata["Name"]
    listed = {row.name for row in rows}
    present = {p.relative_to(root).as_posix() for p in package.rglob("*") if p.is_file()}
    unlisted = (name for name in sorted(present - listed) if not name.endswith(".pyc"))
    return problems + [f"{name} is not in RECORD" for name in unlisted]


def _added_by_installer(name: str) -> bool:
    return name.endswith(".pyc") or name.rsplit("/", 1)[-1] in _INSTALLER_FILES
