"""Writes the source distribution: a tar archive that is the same bytes for the same sources (PEP 517, PEP 643)."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from . import choice, wheel
from .errors import BuildError
from .tree import Tree

# Folder of the tree → what is taken from it; everything else stays out.
_PATTERNS = {
    "csrc": ("kernels.toml",),
    "csrc/device": ("**/*.cu", "**/*.cuh", "**/*.h"),
    "csrc/host": ("*.c", "*.h", "*.inc"),
    "lock": ("toolchain-cu*.txt", choice.HOST_LOCK),
    "matrix": ("default.hcl",),
}

_GZIP_LAST = (1 << 32) - 1  # seconds, in 2106: a zip's time goes on to 2107


def members(tree: Tree) -> dict[str, Path]:
    """Name in the archive → file. Raises BuildError if a pattern finds nothing."""
    found = {name: tree.project / name for name in ("pyproject.toml", "README.md")}
    beside = tree.project / "LICENSE"
    found["LICENSE"] = beside if beside.exists() else tree.root / "LICENSE"
    for folder in (tree.package, tree.project / "build_backend"):
        found.update(_named(tree.project, wheel.package_files(folder)))
    for place, patterns in _PATTERNS.items():
        for pattern in patterns:
            paths = sorted((tree.root / place).glob(pattern))
            if not paths and "**" not in pattern:
                raise BuildError(f"no {place}/{pattern} in {tree.root}")
            found.update(_named(tree.root, paths))
    return dict(sorted(found.items()))


def _named(root: Path, paths: Iterator[Path] | list[Path]) -> Iterator[tuple[str, Path]]:
    return ((path.relative_to(root).as_posix(), path) for path in paths)


def write(directory: Path, base: str, tree: Tree, information: str) -> str:
    """Writes directory/BASE.tar.gz, whole or not at all, and returns its name. information: PKG-INFO."""
    seconds = wheel.epoch()
    contents = {name: path.read_bytes() for name, path in members(tree).items()}
    contents["PKG-INFO"] = information.encode()
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{base}.tar.gz"
    aside = directory / f".{name}.{os.getpid()}"
    try:
        with (
            aside.open("wb") as raw,
            gzip.GzipFile("", "wb", 9, raw, min(seconds, _GZIP_LAST)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for member, data in sorted(contents.items()):
                archive.addfile(_entry(f"{base}/{member}", data, seconds), io.BytesIO(data))
        os.replace(aside, directory / name)
    finally:
        aside.unlink(missing_ok=True)
    return name


def _entry(name: str, data: bytes, seconds: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), seconds, 0o644
    return entry
