"""Reads the [project] table of pyproject.toml.

Python 3.9 and 3.10 have no TOML reader; what this project writes there, one-line strings and one-line lists
of strings, is read by a few lines here, and anything else is an error.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from .errors import BuildError

REQUIRED = ("name", "description", "readme", "license", "license-files", "requires-python")

_KEY_VALUE = re.compile(
    r"""([A-Za-z0-9_-]+)\s*=\s*("[^"\\]*"|\[\s*("[^"\\]*"\s*(,\s*"[^"\\]*"\s*)*)?\])"""
)


class ProjectError(BuildError):
    """A pyproject.toml that does not say what a wheel needs."""


def read(path: Path) -> dict[str, Any]:
    """The [project] table. Raises ProjectError, naming the file, for what is missing or unreadable."""
    try:
        table = _parse(path.read_text("utf-8"))
    except ValueError as error:
        raise ProjectError(f"{path}: {error}") from error
    missing = [key for key in REQUIRED if key not in table]
    if missing:
        raise ProjectError(f"{path}: [project] lacks {', '.join(missing)}")
    return table


def _parse(text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        return parse_project(text)
    table: dict[str, Any] = tomllib.loads(text).get("project", {})
    return table


def parse_project(text: str) -> dict[str, Any]:
    """The [project] table, for Pythons without tomllib. Raises ValueError for TOML beyond one-line values."""
    table: dict[str, Any] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            section = line
        if section != "[project]" or line in ("", section) or line.startswith("#"):
            continue
        match = _KEY_VALUE.fullmatch(line)
        if not match:
            raise ValueError(f'line {number}: expected key = "text" or key = ["text", ...]')
        table[match[1]] = ast.literal_eval(match[2])
    return table
