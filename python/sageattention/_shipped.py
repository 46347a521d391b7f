"""Tables that come with the package: each is for the card, torch and cuDNN alone that it was measured with."""

from __future__ import annotations

from ._table import Machine, Table

TABLES: tuple[Table, ...] = ()


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
