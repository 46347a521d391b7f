"""Reads a fatbin: a container of cubins and PTX, here always uncompressed."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support import elf

MAGIC = 0xBA55ED50
PTX, CUBIN = 1, 2
_COMPRESSED = 0x2000 | 0x8000
_SPECIFIC = 0x100000  # built for sm_90a and the like
_CONTAINER = struct.Struct("<IHHQ")


class FatbinError(ValueError):
    """Bytes that are no fatbin, or one that this reader cannot see through."""


class Entry(NamedTuple):
    """One image: kind is PTX or CUBIN, sm like "9.0"; raw is the entry with its header."""

    kind: int
    sm: str
    payload: bytes
    raw: bytes

    @property
    def specific(self) -> bool:
        """Does it run on its SM alone, as code for sm_90a does?"""
        return bool(struct.unpack_from("<Q", self.raw, 40)[0] & _SPECIFIC)


def read(data: bytes) -> list[Entry]:
    """Every entry of every container. Raises FatbinError for anything unknown."""
    entries = list(_entries(data))
    if not entries:
        raise FatbinError("the fatbin is empty")
    return entries


def _entries(data: bytes) -> Iterator[Entry]:
    offset = _skip_padding(data, 0)
    while offset < len(data):
        try:
            magic, _, header, size = _CONTAINER.unpack_from(data, offset)
        except struct.error as error:
            raise FatbinError(f"truncated container at {offset}") from error
        if magic != MAGIC:
            raise FatbinError(f"no fatbin at offset {offset}: {magic:#x}")
        start, end = offset + header, offset + header + size
        if end > len(data):
            raise FatbinError(f"the container at {offset} ends at {end}, the file at {len(data)}")
        while start < end:
            entry = _entry(data[start:end])
            yield entry
            start += len(entry.raw)
        offset = _skip_padding(data, end)


def _skip_padding(data: bytes, offset: int) -> int:
    while data[offset : offset + 1] == b"\0":
        offset += 1
    return offset


def _entry(data: bytes) -> Entry:
    try:
        kind, _, header, padded = struct.unpack_from("<HHIQ", data)
        sm = struct.unpack_from("<I", data, 28)[0]
        flags = struct.unpack_from("<Q", data, 40)[0]
    except struct.error as error:
        raise FatbinError("truncated entry header") from error
    if kind not in (PTX, CUBIN):
        raise FatbinError(f"entry of kind {kind:#x}: expected PTX or a cubin")
    if flags & _COMPRESSED:
        raise FatbinError(f"compressed entry for SM {sm}")
    raw = data[: header + padded]
    if header < 64 or len(raw) < header + padded:
        raise FatbinError(f"truncated entry for SM {sm}")
    return Entry(kind, f"{sm // 10}.{sm % 10}", raw[header:], raw)


def build(raw_entries: list[bytes]) -> bytes:
    """A fatbin of these raw entries: what a build that lost some would have written."""
    body = b"".join(raw_entries)
    return _CONTAINER.pack(MAGIC, 1, _CONTAINER.size, len(body)) + body


def kernels(entry: Entry) -> frozenset[str]:
    """The kernels that one image defines."""
    if entry.kind == CUBIN:
        return elf.read(entry.payload).kernels
    text = entry.payload.rstrip(b"\0").decode()
    return frozenset(re.findall(r"\.entry\s+([A-Za-z_$][\w$]*)", text))


def findings(data: bytes, expected: dict[str, frozenset[str]], ptx_sm: str) -> list[str]:
    """What differs from the plan: expected is SM -> kernels, ptx_sm the one SM that also has PTX ("" for none).

    PTX is for GPUs to come: it holds no kernels that run on their SM alone.
    """
    try:
        entries = read(data)
        problems = [
            f"the cubin for SM {entry.sm} says SM {elf.read(entry.payload).sm}"
            for entry in entries
            if entry.kind == CUBIN and elf.read(entry.payload).sm != entry.sm
        ]
        problems += _differences("cubin", by_sm(entries, CUBIN), expected)
        portable = expected.get(ptx_sm, frozenset()) - _specific_kernels(entries)
        wanted = {ptx_sm: portable} if ptx_sm else {}
        return problems + _differences("PTX", by_sm(entries, PTX), wanted)
    except ValueError as error:
        return [str(error)]


def _specific_kernels(entries: list[Entry]) -> frozenset[str]:
    specific = (entry for entry in entries if entry.kind == CUBIN and entry.specific)
    return frozenset().union(*map(kernels, specific))


def by_sm(entries: list[Entry], kind: int) -> dict[str, frozenset[str]]:
    """SM -> kernels, of the entries of one kind. Raises FatbinError for a kernel that an SM has twice."""
    found: dict[str, frozenset[str]] = {}
    for entry in entries:
        if entry.kind == kind:
            twice = found.get(entry.sm, frozenset()) & kernels(entry)
            if twice:
                raise FatbinError(f"SM {entry.sm} has {', '.join(sorted(twice))} twice")
            found[entry.sm] = found.get(entry.sm, frozenset()) | kernels(entry)
    return found


def _differences(
    what: str, found: dict[str, frozenset[str]], expected: dict[str, frozenset[str]]
) -> list[str]:
    problems = [f"no {what} for SM {sm}" for sm in sorted(expected.keys() - found.keys())]
    problems += [f"unplanned {what} for SM {sm}" for sm in sorted(found.keys() - expected.keys())]
    for sm in sorted(found.keys() & expected.keys()):
        missing, extra = expected[sm] - found[sm], found[sm] - expected[sm]
        problems += [f"the {what} for SM {sm} lacks {name}" for name in sorted(missing)]
        problems += [f"the {what} for SM {sm} has unplanned {name}" for name in sorted(extra)]
    return problems


def read_file(path: Path) -> list[Entry]:
    """Reads a file. Raises FatbinError or OSError."""
    return read(path.read_bytes())
