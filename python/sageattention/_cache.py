"""The user's own table: one file for each GPU model, written by `tune`, below the user's cache folder.

    $XDG_CACHE_HOME/sageattention/choice-NVIDIA-H100-80GB-HBM3.json    Linux; by default ~/.cache
    %LOCALAPPDATA%\\sageattention\\choice-….json                         Windows

A file that is damaged, another user's, or of another GPU, driver, torch, cuDNN or wheel is ignored with one line in the
log. SAGEATTN_TUNE=0 ignores all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

import torch

from . import _driver, _library
from ._namespace import NAMESPACE
from ._requirements import build_tag, version
from ._table import Machine, Table

_LARGEST = 1 << 20  # bytes of a file; real ones have 50,000
_log = logging.getLogger(__package__)


def machine(gpu: str) -> Machine:
    """This machine, with a GPU of this name."""
    try:
        size = _library.fatbin_path().stat().st_size
    except OSError:
        size = 0
    wheel = f"{version()} {build_tag() or '-'} {size}"
    return Machine(gpu, _driver.version() or "unknown", str(torch.__version__), cudnn(), wheel)


def cudnn() -> str:
    """ "9.19" for the cuDNN that torch loads, or "none"."""
    try:
        found = torch.backends.cudnn.version()  # type: ignore[no-untyped-call,unused-ignore]
    except RuntimeError:
        found = None
    # major * 10000 + minor * 100 + patch: cudnn_version.h of cuDNN 9
    return f"{found // 10000}.{found // 100 % 100}" if found else "none"


def path(gpu: str) -> Path:
    """Where the table of a GPU lies."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):  # which the specification says to ignore
            base = str(Path.home() / ".cache")
    return Path(base) / NAMESPACE / f"choice-{re.sub(r'[^A-Za-z0-9.]+', '-', gpu)}.json"


def read(here: Machine) -> Table | None:
    """The table of this machine, or None. Never raises."""
    if os.environ.get("SAGEATTN_TUNE") == "0":
        return None
    try:
        place = path(here.gpu)
        text = _text(place)
        return None if text is None else _checked(text, here)
    except (OSError, ValueError, RuntimeError, RecursionError) as error:
        _log.warning("the table of `python -m %s tune` is ignored: %s", __package__, error)
        return None


def _text(place: Path) -> str | None:
    """The contents of the file, or None where there is no file. Raises OSError or ValueError."""
    try:
        with open(place, "rb", opener=_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ValueError(f"{place} is no file")
            if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
                raise ValueError(f"{place} belongs to another user")
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > _LARGEST:
        raise ValueError(f"{place} is larger than {_LARGEST} bytes")
    return data.decode("utf-8")


def _at_once(name: str, flags: int) -> int:
    """An opener that waits for nobody: a pipe would keep the call until somebody writes to it."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _checked(text: str, here: Machine) -> Table:
    """The table of a text. Raises ValueError if it is damaged or was measured elsewhere."""
    try:
        found = Table.from_json(json.loads(text))
    except ValueError as error:
        raise ValueError(f"{path(here.gpu)}: {error}") from error
    for name, was, now in zip(Machine._fields, found.machine, here):
        if was != now:
            raise ValueError(f"it was measured with {name} {was}, this is {now}; run it again")
    return found


def write(table: Table) -> Path:
    """Stores a table: whoever reads meanwhile sees the old file or the new one. Raises OSError."""
    place = path(table.machine.gpu)
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=place.stem, suffix=".new")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(table.to_json(), file, indent=1)
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return place
