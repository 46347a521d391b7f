"""The machine code in a cubin: a 64-bit ELF file with a section .text.NAME for each kernel."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

from ..errors import BuildError

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
_NULL, _NO_BITS = 0, 8  # SHT_NULL, the table's first entry; SHT_NOBITS: a section without bytes in the file
_TEXT = ".text."
_RELOCATIONS = (".rel.text.", ".rela.text.")
_NAME = re.compile(r"\w+\.sm_(?P<digits>\d+)(?P<suffix>[af]?)\.cubin")


class Kernel(NamedTuple):
    """name and machine code of a kernel, with the subroutines that follow it in the same section."""

    name: str
    code: bytes


def architecture(path: Path) -> str:
    """The SM in a cubin's name as `compile` writes it: 90a of attention.sm_90a.cubin. BuildError for another name."""
    match = _NAME.fullmatch(path.name)
    if not match:
        raise BuildError(f"{path}: want a name such as attention.sm_90.cubin")
    return match["digits"] + match["suffix"]


def kernels(path: Path) -> list[Kernel]:
    """The kernels of a cubin, by name. BuildError for another file, or for code that still has to be linked."""
    data = path.read_bytes()
    try:
        parts = sections(data)
    except (struct.error, ValueError) as error:
        raise BuildError(f"{path} is no cubin: {error}") from error
    unlinked = [name for name, code in parts.items() if name.startswith(_RELOCATIONS) and code]
    if unlinked:
        raise BuildError(f"{path}: {unlinked[0]} has to be linked before it can be read")
    found = [Kernel(name[len(_TEXT) :], code) for name, code in parts.items() if name.startswith(_TEXT)]
    if not found:
        raise BuildError(f"{path} holds no kernel")
    return sorted(found)


def sections(data: bytes) -> dict[str, bytes]:
    """Name → content; ValueError or struct.error for bytes that are no 64-bit little-endian ELF file."""
    return {name: content(data, entry) for name, entry in entries(data) if entry[1] != _NO_BITS}


def entries(data: bytes) -> list[tuple[str, tuple[int, ...]]]:
    """The table of sections, each entry with its name. ValueError or struct.error as of sections()."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    header = HEADER.unpack_from(data)
    start, size, count, names = header[6], header[11], header[12], header[13]
    if size != SECTION.size or names >= count:
        raise ValueError("its section headers cannot be read")
    found = [SECTION.unpack_from(data, start + size * index) for index in range(count)]
    texts = content(data, found[names])
    return [(_text(texts, entry[0]), entry) for entry in found]


def content(data: bytes, entry: tuple[int, ...]) -> bytes:
    """The bytes of a section: none where it has none in the file."""
    if entry[1] in (_NULL, _NO_BITS):
        return b""
    start, size = entry[4], entry[5]
    if start + size > len(data):
        raise ValueError("a section ends behind the end of the file")
    return data[start : start + size]


def _text(texts: bytes, start: int) -> str:
    end = texts.find(b"\0", start)
    if end < 0:
        raise ValueError("the name of a section has no end")
    return texts[start:end].decode("ascii", "replace")
