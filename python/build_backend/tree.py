"""Where the sources lie: a checkout has them beside python/, a source distribution in the same folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from . import reader
from .errors import BuildError

PACKAGE = "sage2"  # the package of the build matrix that has a source distribution

_PINNED = re.compile(r"(?P<requirement>[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+)(\s|$)")


class Tree(NamedTuple):
    """project holds pyproject.toml and the package; root holds csrc, lock and matrix."""

    project: Path
    root: Path

    @property
    def package(self) -> Path:
        """The Python package."""
        return self.project / "sageattention"

    @property
    def device(self) -> Path:
        """The device sources."""
        return self.root / "csrc" / "device"

    @property
    def host(self) -> Path:
        """The sources of the C library."""
        return self.root / "csrc" / "host"

    def pins(self, name: str) -> list[str]:
        """The requirements of a lock file, such as ziglang==0.13.0.post1; PEP 508 has no place for their hashes."""
        lines = (self.root / "lock" / name).read_text("utf-8").splitlines()
        found = [match["requirement"] for match in map(_PINNED.match, lines) if match]
        if not found:
            raise BuildError(f"lock/{name} pins nothing")
        return found


class Source(NamedTuple):
    """A device source as csrc/kernels.toml has it: sms like "9.0", suffix "a" for sm_90a, else empty."""

    file: str
    sms: tuple[str, ...]
    suffix: str


def locate(project: Path | None = None) -> Tree:
    """The tree around this file, or around another project folder. Raises BuildError if a part of it is missing."""
    project = project or Path(__file__).resolve().parents[1]
    for root in (project, project.parent):
        if (root / "csrc" / "kernels.toml").is_file():
            return Tree(project, root)
    raise BuildError(
        f"no csrc/kernels.toml in {project} or above: the kernels' sources are not there",
        "pip install ./python, in a whole checkout, or pip install sageattention-VERSION.tar.gz",
    )


def kernel_sources(tree: Tree) -> list[Source]:
    """The package's sources of csrc/kernels.toml, in order. Raises BuildError for a file that says something else."""
    path = tree.root / "csrc" / "kernels.toml"
    try:
        table = reader.parse_toml(path.read_text("utf-8"))
        kinds = {kind["name"]: kind["packages"] for kind in table.get("kind", [])}
        entries = table.get("source", [])
        sources = [_source(entry) for entry in entries if _is_ours(entry, kinds)]
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{path}: {error}") from error
    if not sources:
        raise BuildError(f"{path} names no source")
    return sources


def _is_ours(entry: dict[str, Any], kinds: dict[str, list[str]]) -> bool:
    """Whether our wheels hold a source: its kind says that, or its own list; without either, all wheels hold it."""
    if "kind" in entry:
        return PACKAGE in kinds[entry["kind"]]
    return "packages" not in entry or PACKAGE in entry["packages"]


def _source(entry: dict[str, Any]) -> Source:
    """Keys that only the wheel's verification needs are left to it."""
    missing = [key for key in ("file", "sms") if key not in entry]
    if missing:
        raise ValueError(f"a source lacks {' and '.join(missing)}")
    return Source(entry["file"], tuple(entry["sms"]), entry.get("suffix", ""))
