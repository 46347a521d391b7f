"""How a GPU loads device code.

The rule is that of kernels/load.go, which names its sources; kernels/testdata/loads.txt holds cases for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

NONE, JIT, SAME_MAJOR, NATIVE = "no", "JIT", "same major", "native"
_RANK = (NONE, JIT, SAME_MAJOR, NATIVE)
_IMAGE = re.compile(r"(PTX)?([1-9][0-9]?)\.([0-9])([af]?)")

SM = tuple[int, int]


class Image(NamedTuple):
    """Machine code or PTX for an SM; suffix is "a" for an architecture's own code, "f" for a family's, or ""."""

    sm: SM
    suffix: str = ""
    ptx: bool = False

    def __str__(self) -> str:
        return f"{'PTX' * self.ptx}{self.sm[0]}.{self.sm[1]}{self.suffix}"


def image(text: str) -> Image:
    """Reads "9.0a" or "PTX12.1". Raises ValueError for other text."""
    parts = _IMAGE.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is no image such as 9.0a or PTX12.1")
    return Image((int(parts[2]), int(parts[3])), parts[4], parts[1] is not None)


def way(of: Image, sm: SM) -> str:
    """How a GPU of an SM loads one image."""
    if of.sm > sm:
        return NONE
    if (of.suffix == "a" and of.sm != sm) or (of.suffix == "f" and _family(of.sm) != _family(sm)):
        return NONE
    if of.ptx:
        return JIT
    if of.sm == sm:
        return NATIVE
    return SAME_MAJOR if of.suffix == "f" or of.sm[0] == sm[0] else NONE


def best(images: Iterable[Image], sm: SM) -> tuple[Image | None, str]:
    """The image that a GPU of an SM loads among those of one operation, and how: the best way, then the newest."""
    chosen, how = None, NONE
    for candidate in images:
        found = way(candidate, sm)
        if found == NONE:
            continue
        order = _RANK.index(found), candidate
        if chosen is None or order > (_RANK.index(how), chosen):
            chosen, how = candidate, found
    return chosen, how


def _family(sm: SM) -> int:
    """The number of a family of SMs, which is their major; SM 10.1 is the former name of 11.0."""
    return 11 if sm == (10, 1) else sm[0]
