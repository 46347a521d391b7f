"""Imports the sageattention that is installed, not the sources beside this folder, which have no library."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

SOURCES = Path(__file__).resolve().parents[2]


class Package(NamedTuple):
    """The modules of sageattention that the benchmark drives."""

    top: Any
    abi: Any
    call: Any
    choice: Any
    dispatch: Any
    kernels: Any
    kinds: Any
    library: Any
    operand: Any
    plan: Any
    run: Any
    table: Any




def without_sources(path: list[str], sources: Path = SOURCES) -> list[str]:
    """A module search path without the folder of these sources, however it is written ("" is the current one)."""
    return [entry for entry in path if Path(entry or ".").resolve() != sources]


def package() -> Package:
    """The installed package; that beside this folder if it has its library. Raises ImportError with what helps."""
    if "sageattention" not in sys.modules:
        _import()
    top = sys.modules["sageattention"]
    try:
        found = [importlib.import_module(f"sageattention._{name}") for name in Package._fields[1:]]
    except ModuleNotFoundError as error:
        raise ImportError(f"{top.__file__} is another sageattention: {error}") from error
    return Package(top, *found)


def _import() -> ModuleType:
    before = sys.path[:]
    if not has_library(SOURCES / "sageattention"):
        sys.path[:] = without_sources(before)
    try:
        module = importlib.import_module("sageattention")
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}; pip install a sageattention wheel for this Python") from error
    finally:
        sys.path[:] = before
    if not hasattr(module, "sageattn"):  # a folder without __init__.py
        del sys.modules["sageattention"]
        raise ImportError("no sageattention is installed; pip install a sageattention wheel")
    return module


def has_library(folder: Path) -> bool:
    """Whether a package folder holds a built library."""
    return any((folder / "lib" / name).exists() for name in ("libsageattn.so", "sageattn.dll"))
