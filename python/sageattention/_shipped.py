"""Tables that come with the package: each is for the card, torch and cuDNN alone that it was measured with.

scripts/ship-table.py writes the data from what `tune --json` printed on such a card. A row is head dim, causal, masked,
varlen, queries, keys, heads of all sequences together, kernel, whether torch is faster, microseconds.
"""

from __future__ import annotations

from typing import Any

from ._table import Cell, Machine, Shape, Table

# tables, by scripts/ship-table.py
_DATA: Any = []
# end of the tables

TABLES = tuple(
    Table(Machine(*machine), tuple(Cell(Shape(*row[:7]), *row[7:]) for row in rows))
    for machine, rows in _DATA
)


def find(here: Machine) -> Table | None:
    """The table for a GPU of this name with this minor of torch and cuDNN, or None. Drivers and wheels may differ."""
    for table in TABLES:
        measured = table.machine
        if (measured.gpu, measured.cudnn) == (here.gpu, here.cudnn) and _minor(measured.torch) == _minor(here.torch):
            return table
    return None


def _minor(torch: str) -> list[str]:
    """ ["2", "11"] of "2.11.0+cu130"."""
    return torch.split(".")[:2]
