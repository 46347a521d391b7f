"""Reads a cubin: an ELF file whose functions are kernels."""

from __future__ import annotations

import struct
from typing import NamedTuple

EM_CUDA = 190
_SYMTAB = 2
_FUNCTION = 2
_CUDA_ENTRY = 0x10


class ElfError(ValueError):
    """Bytes that are no cubin."""


class Cubin(NamedTuple):
    """The SM a cubin is for, and the kernels that it defines."""

    sm: str
    kernels: frozenset[str]


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def read(data: bytes) -> Cubin:
    """Reads a 64-bit little-endian cubin. Raises ElfError."""
    try:
        return _read(data)
    except struct.error as error:
        raise ElfError(f"truncated ELF: {error}") from error


def _read(data: bytes) -> Cubin:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ElfError("not a 64-bit little-endian ELF")
    machine = struct.unpack_from("<H", data, 18)[0]
    if machine != EM_CUDA:
        raise ElfError(f"ELF machine is {machine}, not CUDA ({EM_CUDA})")
    flags = struct.unpack_from("<I", data, 48)[0]
    return Cubin(sm_of_flags(data[8], flags), frozenset(_kernels(data)))


def sm_of_flags(abi: int, flags: int) -> str:
    """The SM in e_flags: the low byte up to ABI 7, the second byte from ABI 8 on."""
    number = (flags >> 8 if abi >= 8 else flags) & 0xFF
    return f"{number // 10}.{number % 10}"


def _sections(data: bytes) -> list[_Section]:
    offset = struct.unpack_from("<Q", data, 40)[0]
    size, count = struct.unpack_from("<HH", data, 58)
    return [
        _Section(*struct.unpack_from("<IIQQQQIIQQ", data, offset + index * size))
        for index in range(count)
    ]


def _kernels(data: bytes) -> list[str]:
    sections = _sections(data)
    names = []
    for table in (section for section in sections if section.type == _SYMTAB):
        strings = sections[table.link]
        for offset in range(table.offset, table.offset + table.size, 24):
            name, info, other, section = struct.unpack_from("<IBBH", data, offset)
            if info & 15 == _FUNCTION and other & _CUDA_ENTRY and section:
                start = strings.offset + name
                names.append(data[start : data.index(b"\0", start)].decode())
    return names
