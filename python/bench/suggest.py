"""Messages about names that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """'unknown case "hd128-s819": did you mean hd128-s8192? …'."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f": did you mean {near[0]}?" if near else "."
    return f'unknown {what} "{name}"{hint} --list shows all'
