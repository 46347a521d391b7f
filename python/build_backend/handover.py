"""Files that one build step makes and a later one reads, maybe weeks later and from a cache on a failing disk.

Beside each lies its SHA-256, taken of the bytes in memory, as a line of sha256sum. Reading compares, so that what goes
into a wheel is what was compiled.
"""

from __future__ import annotations

import hashlib
import pathlib

from .errors import BuildError


def write(path: pathlib.Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a file and its hash, the file whole or not at all: half of one must not survive an interrupt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sum_file(path).write_text(_line(path, data), "utf-8")
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    temporary.chmod(mode)
    temporary.replace(path)


def read(path: pathlib.Path) -> bytes:
    """The bytes that write() wrote. Raises BuildError for others, and OSError where the file or its hash is missing."""
    data = path.read_bytes()
    if _sum_file(path).read_text("utf-8") != _line(path, data):
        raise BuildError(
            f"{path} is damaged: it is not what was compiled", "sagebuild clean --all"
        )
    return data


def _line(path: pathlib.Path, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"


def _sum_file(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".sha256")
