"""Reads the structs and constants of a C header of fixed-width types, and lays the structs out."""

from __future__ import annotations

import re
from typing import NamedTuple

_SIZES = {"uint64_t": 8, "int64_t": 8, "int32_t": 4, "float": 4, "char": 1}
_POINTER = 8


class Layout(NamedTuple):
    """sizeof, alignof, and (offset, size) of each field."""

    size: int
    alignment: int
    fields: dict[str, tuple[int, int]]


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def constants(text: str) -> dict[str, int]:
    """Integer macros and enumerators with a value."""
    text = _without_comments(text)
    found = re.findall(r"#define\s+(\w+)\s+(\d+)\s*$", text, flags=re.MULTILINE)
    for body in re.findall(r"\benum\s+\w+\s*\{([^}]*)\}", text):
        found += re.findall(r"(\w+)\s*=\s*(\d+)", body)
    return {name: int(value) for name, value in found}


def functions(text: str) -> dict[str, int]:
    """Exported functions and how many parameters each has."""
    found = re.findall(r"SAGEATTN_API\s+[\w\s*]+?\b(\w+)\(([^)]*)\);", _without_comments(text))
    return {
        name: 0 if parameters.strip() == "void" else parameters.count(",") + 1
        for name, parameters in found
    }


def structs(text: str) -> dict[str, Layout]:
    """Every typedef struct, laid out by the rules of the 64-bit C ABIs. Raises KeyError for unknown types."""
    layouts: dict[str, Layout] = {}
    pattern = r"typedef\s+struct\s+\w+\s*\{([^}]*)\}\s*(\w+)\s*;"
    for body, name in re.findall(pattern, _without_comments(text)):
        layouts[name] = _lay_out(body, layouts)
    return layouts


def _lay_out(body: str, known: dict[str, Layout]) -> Layout:
    fields: dict[str, tuple[int, int]] = {}
    offset, widest = 0, 1
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        match = re.fullmatch(r"(?:const\s+)?(\w+)\b(.*)", declaration, flags=re.DOTALL)
        assert match, declaration
        for declarator in match[2].split(","):
            name, size, alignment = _declarator(match[1], declarator.strip(), known)
            offset += -offset % alignment
            fields[name] = (offset, size)
            offset, widest = offset + size, max(widest, alignment)
    return Layout(offset + -offset % widest, widest, fields)


def _declarator(base: str, text: str, known: dict[str, Layout]) -> tuple[str, int, int]:
    match = re.fullmatch(r"(\*?)\s*(\w+)(?:\[(\d+)\])?", text)
    assert match, text
    count = int(match[3] or 1)
    if match[1]:
        return match[2], _POINTER * count, _POINTER
    if base in known:
        return match[2], known[base].size * count, known[base].alignment
    return match[2], _SIZES[base] * count, _SIZES[base]
