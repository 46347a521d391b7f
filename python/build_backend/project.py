"""Reads the [project] table of pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import reader
from .errors import BuildError

REQUIRED = ("name", "description", "readme", "license", "license-files", "requires-python")


class ProjectError(BuildError):
    """A pyproject.toml that does not say what a wheel needs."""


def locate(package: Path) -> Path:
    """The pyproject.toml of a package: its own, or that of the folder around it."""
    own = package.resolve() / "pyproject.toml"
    return own if own.is_file() else package.resolve().parent / own.name


def read(path: Path) -> dict[str, Any]:
    """The [project] table. Raises ProjectError, naming the file, for what is missing or unreadable."""
    try:
        table: dict[str, Any] = reader.parse_toml(path.read_text("utf-8")).get("project", {})
    except ValueError as error:
        raise ProjectError(f"{path}: {error}") from error
    missing = [key for key in REQUIRED if key not in table]
    if missing:
        raise ProjectError(f"{path}: [project] lacks {', '.join(missing)}")
    return table
