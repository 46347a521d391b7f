"""Sets of registers as bits of an integer: R0 to R254, the uniform UR0 on, the predicates P0 to P6 and UP0 on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import BuildError

# File → its first bit. 255 general registers and 7 predicates are addressed; the uniform files have grown to 80 and 8.
_FIRST = {"R": 0, "UR": 256, "P": 512, "UP": 520}
_END = {"R": 256, "UR": 512, "P": 520, "UP": 528}
EVERY = (1 << _END["UP"]) - 1
STACK_POINTER = 1 << 1  # R1, by the calling convention

_PREDICATE = re.compile(r"(!?)(U?P)(\d+)$")
_GENERAL = re.compile(r"R(\d+)$")


def group(file: str, number: int, width: int = 1) -> int:
    """width registers of a file from a number on: group("R", 4, 2) is R4 and R5."""
    first = _FIRST[file] + number
    if first + width > _END[file]:
        raise BuildError(f"no register {file}{number + width - 1}")
    return ((1 << width) - 1) << first


def predicate(text: str) -> tuple[int, bool] | None:
    """ "!P0" → (bit of P0, False): what it takes to be true. None for PT, !PT and whatever is no predicate."""
    match = _PREDICATE.match(text)
    return (group(match[2], int(match[3])), not match[1]) if match else None


def general(text: str) -> int:
    """ "R4" → its bit; 0 for RZ, and for what is no general register."""
    match = _GENERAL.match(text)
    return group("R", int(match[1])) if match else 0


def names(registers: int) -> Iterator[str]:
    """The registers of a set, in order: R4, UR0, P1."""
    for file, first in _FIRST.items():
        bits = registers >> first & ((1 << (_END[file] - first)) - 1)
        for number in range(bits.bit_length()):
            if bits >> number & 1:
                yield f"{file}{number}"


PREDICATES = group("P", 0, 8) | group("UP", 0, 8)
