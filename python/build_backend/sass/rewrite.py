"""A cubin with other contents in its sections: the same ELF file, laid out as the assembler lays out its own."""

from __future__ import annotations

import struct

from .cubin import HEADER, SECTION, content, entries

_SEGMENT = struct.Struct("<IIQQQQQQ")
_TABLES = 8  # bytes to which the tables of sections and segments are aligned


def flags(data: bytes) -> int:
    """What a cubin's header says of its SM and ABI."""
    return int(HEADER.unpack_from(data)[7])


def rewritten(data: bytes, new_flags: int, contents: dict[str, bytes]) -> bytes:
    """The cubin with other flags, and other contents of the sections that are named.

    Raises ValueError or struct.error where contents change their size in a file that is laid out in an unknown way.
    """
    found = {name: entry for name, entry in entries(data) if name in contents}
    if any(len(contents[name]) != entry[5] for name, entry in found.items()):
        if _laid_out(data, {}) != data:
            raise ValueError("its parts do not lie behind each other")
        out = _laid_out(data, contents)
    else:
        out = bytearray(data)
        for name, entry in found.items():
            out[entry[4] : entry[4] + entry[5]] = contents[name]
    header = HEADER.unpack_from(out)
    out[: HEADER.size] = HEADER.pack(*header[:7], new_flags, *header[8:])
    return bytes(out)


def _laid_out(data: bytes, contents: dict[str, bytes]) -> bytearray:
    """The header, sections in the order of their table, this table, and that of segments."""
    header = list(HEADER.unpack_from(data))
    out, table, moved, ends = bytearray(HEADER.size), bytearray(), {0: 0}, {}
    for name, entry in entries(data):
        old = content(data, entry)
        new = contents.get(name, old)
        _align(out, entry[8])
        moved[entry[4]] = len(out) if entry[4] else 0
        table += SECTION.pack(*entry[:4], moved[entry[4]], entry[5] + len(new) - len(old), *entry[6:])
        out += new
        ends[entry[4] + len(old)] = len(out)
    _align(out, _TABLES)
    header[6], segments = len(out), header[5]
    out += table
    moved[segments] = header[5] = len(out)
    for index in range(header[10]):
        out += _moved(_SEGMENT.unpack_from(data, segments + _SEGMENT.size * index), moved, ends)
    out[: HEADER.size] = HEADER.pack(*header)
    return out


def _moved(segment: tuple[int, ...], moved: dict[int, int], ends: dict[int, int]) -> bytes:
    """A segment in its new place, from what it began with to what it ended with."""
    kind, access, start, address, physical, size, in_memory, alignment = segment
    grown = ends.get(start + size, moved[start] + size) - moved[start] - size
    return _SEGMENT.pack(kind, access, moved[start], address, physical, size + grown, in_memory + grown, alignment)


def _align(data: bytearray, boundary: int) -> None:
    data += bytes(-len(data) % max(boundary, 1))
