"""relabel: cubins of an SM for a newer one, for which the compiler makes the same code.

The rows [[twin]] of csrc/kernels.toml name such SMs. What differs between their cubins says which SM it is, and is
written here, so that neither the compiler nor the check does the same work twice: docs/same-code.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

from . import handover
from .compile import architecture
from .errors import BuildError
from .sass import cubin, disassembly, rewrite

_INFO = ".nv.info."  # of a kernel: attributes, four bytes each and perhaps more
_SIZED = 4  # the format of an attribute whose two last bytes are the size of what follows
_WORKAROUND = b"\x01\x35\x00\x00"  # EIATTR_SW2861232_WAR, for a fault of the GPUs before SM 8.9
_MENDED = 89
_COMPATIBLE = ".nv.compat"  # attributes too; one of CUDA 13 has bits for 12.0a and none for 12.1a
_BITS = b"\x04\x0b"
_TOOL = ".note.nv.tkinfo"  # the assembler and its options
_SM_NOTES = (".note.nv.cuver", ".note.nv.cuinfo")  # of CUDA 12 and 13
_SM_PLACE = 26  # behind the sizes, type and name of a note, and a version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sm", required=True, help="the newer architecture, such as 8.9 or 12.1a")
    parser.add_argument("--output", required=True, type=Path, help="directory for cubins and their records")
    parser.add_argument("cubins", nargs="+", type=Path, metavar="SOURCE.sm_86.cubin", help="with its record beside it")


def run(arguments: argparse.Namespace) -> int:
    """Writes STEM.sm_89.cubin of each cubin, and its record."""
    digits = architecture(arguments.sm)
    for path in arguments.cubins:
        _relabel(path, digits, arguments.output)
    print(f"sm_{digits}: the code of {', '.join(path.name for path in arguments.cubins)}", flush=True)
    return 0


def _relabel(path: Path, digits: str, output: Path) -> None:
    of = cubin.architecture(path)
    try:
        made = relabelled(handover.read(path), of, digits)
    except (ValueError, struct.error) as error:
        raise BuildError(f"{path} cannot become a cubin for sm_{digits}: {error}") from error
    target = output / f"{path.name.split('.')[0]}.sm_{digits}.cubin"
    record = json.loads(handover.read(path.with_suffix(".json")))
    changed = {"cubin": target.name, "sha256": hashlib.sha256(made).hexdigest(), "nvdisasm": record["nvdisasm"]}
    document = {**changed, "read_as": f"SM{disassembly.read_as(of)}", "kernels": record["kernels"]}
    handover.write(target, made)
    handover.write(target.with_suffix(".json"), (json.dumps(document, indent=1) + "\n").encode())


def relabelled(data: bytes, of: str, to: str) -> bytes:
    """A cubin for an SM such as "86" or "120a" as one for another. ValueError or struct.error for what cannot be."""
    old, new = (int(one.rstrip("af")) for one in (of, to))
    flags = bytes(new if byte == old else byte for byte in struct.pack("<I", rewrite.flags(data)))
    contents = {}
    for name, part in cubin.sections(data).items():
        if name == _TOOL:
            contents[name] = part.replace(f"-arch sm_{of} ".encode(), f"-arch sm_{to} ".encode())
        elif name in _SM_NOTES:
            contents[name] = noted(part, old, new)
        elif name == _COMPATIBLE:
            contents[name] = b"".join(map(_cleared, _attributes(part)))
        elif name.startswith(_INFO) and old < _MENDED <= new:
            contents[name] = b"".join(one for one in _attributes(part) if one != _WORKAROUND)
    return rewrite.rewritten(data, struct.unpack("<I", flags)[0], contents)


def noted(note: bytes, old: int, new: int) -> bytes:
    """A note with another SM in the place of the one that it names."""
    before, found, after = note[:_SM_PLACE], note[_SM_PLACE : _SM_PLACE + 2], note[_SM_PLACE + 2 :]
    if found != struct.pack("<H", old):
        raise ValueError(f"a note names SM {found.hex()}, and not {old}")
    return before + struct.pack("<H", new) + after


def _cleared(attribute: bytes) -> bytes:
    """An attribute, without the bits that the older SM may have in one."""
    return attribute[:4] + bytes(len(attribute) - 4) if attribute[:2] == _BITS else attribute


def _attributes(part: bytes) -> Iterator[bytes]:
    """A section of attributes by the attribute."""
    start = 0
    while start < len(part):
        form, _, value = struct.unpack_from("<BBH", part, start)
        end = start + 4 + (value if form == _SIZED else 0)
        yield part[start:end]
        start = end
