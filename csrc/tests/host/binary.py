"""What a shared library exports and needs: ELF and PE, 64 bits, little endian."""

import struct
from typing import NamedTuple

DYNAMIC, DYNAMIC_SYMBOLS = 6, 11  # section types
NEEDED = 1
DEBUG = 6  # index of a data directory


class Library(NamedTuple):
    """machine is ELF's or PE's number; time is 0 where the format has none."""

    machine: int
    exports: frozenset
    needs: frozenset
    time: int = 0
    debug: bool = False


def read(data):
    """Raises ValueError, KeyError or struct.error for anything but a shared library."""
    return read_pe(data) if data[:2] == b"MZ" else read_elf(data)


def text(data, offset):
    return data[offset : data.index(b"\0", offset)].decode()


def read_elf(data):
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit little-endian ELF file")
    table, size, count = struct.unpack_from("<Q", data, 40) + struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * i) for i in range(count)]

    def rows(kind, layout):
        for _, found, _, _, offset, length, link, *_ in sections:
            if found == kind:
                for row in struct.iter_unpack(layout, data[offset : offset + length]):
                    yield row, sections[link][4]

    symbols = rows(DYNAMIC_SYMBOLS, "<IBBHQQ")
    exports = {text(data, names + row[0]) for row, names in symbols if row[3] != 0 and row[1] >> 4 != 0}
    needs = {text(data, names + row[1]) for row, names in rows(DYNAMIC, "<qQ") if row[0] == NEEDED}
    return Library(struct.unpack_from("<H", data, 18)[0], frozenset(exports), frozenset(needs))


def read_pe(data):
    header = struct.unpack_from("<I", data, 60)[0]
    signature, machine, count, time = struct.unpack_from("<4sHHI", data, header)
    optional = header + 24
    if signature != b"PE\0\0" or struct.unpack_from("<H", data, optional)[0] != 0x20B:
        raise ValueError("no 64-bit PE file")
    table = optional + struct.unpack_from("<H", data, header + 20)[0]
    sections = [struct.unpack_from("<IIII", data, table + 40 * i + 8) for i in range(count)]
    directories = struct.unpack_from("<32I", data, optional + 112)

    def place(address):
        for size, start, stored, offset in sections:
            if start <= address < start + max(size, stored):
                return address - start + offset
        raise ValueError(f"no section holds {address:#x}")

    exported = place(directories[0])
    count, names = struct.unpack_from("<I4xI", data, exported + 24)
    addresses = struct.unpack_from(f"<{count}I", data, place(names))
    return Library(
        machine,
        frozenset(text(data, place(address)) for address in addresses),
        frozenset(imports(data, place(directories[2]), place)),
        time,
        directories[2 * DEBUG] != 0,
    )


def imports(data, offset, place):
    while True:
        lookup, name, addresses = struct.unpack_from("<I8xII", data, offset)
        if not lookup and not addresses:
            return
        yield text(data, place(name)).lower()
        offset += 20
