"""What the steps of a build made, as a file of the wheel's dist-info: hashes, and what the check found in each cubin.

Each hash was taken by the step that made the file, of the bytes in memory (handover). Whoever has the wheel, sagebuild
before it publishes one among them, compares the hashes with the wheel's members: docs/sass.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import handover
from .errors import BuildError

NAME = "compiled.json"
FORMAT = 1
_HINT = "python3 -m build_backend check --help"


def images(paths: Iterable[Path]) -> bytes:
    """The document of a fatbin's cubins and PTX, as bytes. Raises BuildError for a cubin that was not checked."""
    records = [_record(path) for path in sorted(paths, key=lambda path: path.name)]
    return _text({"format": FORMAT, "images": records})


def with_files(document: bytes, files: Mapping[str, Path]) -> bytes:
    """The same with the hashes of files, by their names in the wheel."""
    hashes = {name: _digest(path) for name, path in sorted(files.items())}
    return _text({**json.loads(document), "files": hashes})


def _record(path: Path) -> dict[str, Any]:
    if path.suffix != ".cubin":
        return {"ptx": path.name, "sha256": _sha256(plain_ptx(handover.read(path)))}
    digest = _digest(path)
    record = path.with_suffix(".json")
    if not record.exists():
        raise BuildError(f"{path.name} was not checked: {record.name} is missing", _HINT)
    found: dict[str, Any] = json.loads(handover.read(record))
    if found["sha256"] != digest:
        raise BuildError(
            f"{record.name} is of another cubin than {path.name}: one of them changed since",
            "sagebuild clean --all",
        )
    return found


def plain_ptx(text: bytes) -> bytes:
    """PTX without comments and blanks: nvFatbin drops some of both."""
    return b"".join(re.sub(rb"//[^\n]*", b"", text).split())


def _digest(path: Path) -> str:
    """The hash that the step took which wrote the file: read() takes no other bytes."""
    return _sha256(handover.read(path))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
