"""Which kernel a call really takes: the dispatcher's, or what a measured table says is faster on this GPU.

sageattn and sageattn_varlen (method "auto") take the table's kernel, or hand the call to torch where the table says
that quantising it loses. Method "quantised", the keyword always_quantize and SAGEATTN_ALWAYS=1 keep all calls. Other
methods ask no table. A table is that of `python -m sageattention tune` in the user's cache, or one that is shipped for
the GPU, torch and cuDNN that it was measured with; without a table nothing is handed over.
"""

from __future__ import annotations

import functools
import logging
import os

from . import _cache, _dispatch, _library, _sdpa, _shipped
from ._call import Call
from ._dispatch import AUTO, ONLY, QUANTISED, TORCH, TRITON, Choice
from ._kinds import KINDS
from ._table import Cell, Shape, Table

_log = logging.getLogger(__package__)


def choose(device: int, call: Call, method: str) -> Choice:
    """The kernel for a call on a device. Raises RuntimeError when the device can run none."""
    if method == ONLY + TORCH:
        return Choice(TORCH, "asked for")
    default = _dispatch.choose(device, call.request(method))
    cell = measured(device, Shape.of(call)) if method in (AUTO, QUANTISED) else None
    if cell is None:
        return default
    if cell.torch and method == AUTO and not always() and not _sdpa.why_not(call):
        _tell(device, cell.shape.text())
        return Choice(TORCH, f"faster here, as measured: {cell.shape.text()}")
    return _of_table(device, call, cell) or default


def measured(device: int, shape: Shape) -> Cell | None:
    """What the device's table says of calls of a shape."""
    found = table(device)
    return found.find(shape) if found else None


def _of_table(device: int, call: Call, cell: Cell) -> Choice | None:
    """The table's own kernel, if it serves this call."""
    if cell.kernel == TRITON:
        serves, method = call.lengths is None or call.lse is None, TRITON
    else:
        kind = KINDS.get(cell.kernel)
        serves = kind is not None and kind.mask == (call.mask is not None) and (kind.starts or call.lengths is None)
        method = ONLY + cell.kernel
    if not serves:
        return None
    try:
        found = _dispatch.choose(device, call.request(method))
    except RuntimeError:
        return None
    return Choice(found.kind, "the fastest here, as measured") if found.kind == cell.kernel else None


def always() -> bool:
    """Whether SAGEATTN_ALWAYS keeps every call from torch."""
    return os.environ.get("SAGEATTN_ALWAYS", "0") not in ("", "0")


@functools.cache
def table(device: int) -> Table | None:
    """The table for a GPU: the user's own, or one that is shipped; None without."""
    here = _cache.machine(_library.device(device).name)
    return _cache.read(here) or _shipped.find(here)


@functools.cache
def _tell(device: int, example: str) -> None:
    """Says once for each cell of a table that such calls go to torch."""
    _log.info(
        "calls of up to %s go to torch's scaled_dot_product_attention, which is faster for them on %s; "
        "always_quantize=True or SAGEATTN_ALWAYS=1 keeps them",
        example,
        _library.device(device).name,
    )


def describe(device: int) -> str:
    """One sentence for reports."""
    try:
        found = table(device)
    except (RuntimeError, ValueError) as error:
        return str(error)
    if found is None:
        return (
            "no measured table for this GPU, torch and cuDNN: no call is handed to torch; "
            "`python -m sageattention tune` measures one"
        )
    where = f"measured with torch {found.machine.torch} and cuDNN {found.machine.cudnn}"
    handed = _handed(found)
    if always():
        return f"table {where}; SAGEATTN_ALWAYS keeps all calls from torch"
    if not handed:
        return f"table {where}: no call is handed to torch"
    return f"table {where}: torch's attention serves {'; '.join(_summary(handed))}"


def _handed(found: Table) -> list[Shape]:
    """Of the measured calls those that go to torch, in each size of groups that was measured of their kind.

    A grouped call that was not measured itself takes the cell of a smaller group.
    """
    groups: dict[tuple[int, bool, str, bool], set[int]] = {}
    for cell in found.cells:
        groups.setdefault(cell.shape.kind, set()).add(cell.shape.group)
    shapes = {cell.shape._replace(group=group) for cell in found.cells for group in groups[cell.shape.kind]}
    cells = ((shape, found.find(shape)) for shape in shapes)
    return [shape for shape, cell in cells if cell and cell.torch]


def _summary(shapes: list[Shape]) -> list[str]:
    """Of each head dim and variant the largest calls: "head dim 128, causal: up to 1024 × 1024"."""
    groups: dict[tuple[int, str], set[tuple[int, int]]] = {}
    for shape in shapes:
        groups.setdefault((shape.head_dim, shape.variant), set()).add((shape.rows, shape.keys))
    lines = []
    for (head_dim, variant), sizes in sorted(groups.items()):
        largest = [
            size
            for size in sorted(sizes)
            if not any(size != other and size[0] <= other[0] and size[1] <= other[1] for other in sizes)
        ]
        calls = ", ".join(f"{rows} × {keys}" for rows, keys in largest)
        lines.append(f"head dim {head_dim}, {variant}: up to {calls}")
    return lines


def forget() -> None:
    """Reads tables anew: one was stored."""
    table.cache_clear()
