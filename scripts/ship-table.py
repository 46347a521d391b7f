#!/usr/bin/env python3
"""Writes python/sageattention/_shipped.py: the tables that come with the package.

    python -m sageattention tune --json --no-store >tables.json      on a GPU
    scripts/ship-table.py tables.json [MORE.json …] [--variant plain causal …]

Only calls of the named variants are shipped (all by default; "key padding", "mask of pairs", "bias", "sequences behind
each other", these with causal, and all with groups of heads, such as "causal, groups of 4", are others), and of the
times only those of the choice: the whole measurement belongs to docs/gpu-results. Prints each call that torch serves
although it has more than 1024 queries, 128 keys or more and a head dim of at most 128: those the kernels are meant to
win, and docs/choice.md names them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "python" / "sageattention" / "_shipped.py"
BEGIN, END = "# tables, by scripts/ship-table.py\n", "# end of the tables\n"
WORDS = (("varlen", "sequences behind each other"), ("causal", "causal"))
SHAPE = ("head_dim", "causal", "mask", "varlen", "rows", "keys", "heads", "group")
MASKS = {"": "", "padding": "key padding", "pairs": "mask of pairs", "bias": "bias"}


def variant(cell: dict[str, object]) -> str:
    """As sageattention._table.Shape.variant."""
    group = f"groups of {cell['group']}" if cell["group"] != 1 else ""
    words = [*(word for flag, word in WORDS if cell[flag]), MASKS[str(cell["mask"])], group]
    return ", ".join(filter(None, words)) or "plain"


def row(cell: dict[str, object]) -> tuple[object, ...]:
    times = cell["times"]
    assert isinstance(times, dict)
    return (*(cell[name] for name in SHAPE), cell["kernel"], cell["torch"], times[cell["kernel"]], times.get("torch"))


def beyond(tables: Iterable[list[tuple[Any, ...]]]) -> Iterator[str]:
    """A line for each call that is handed over beyond short calls, few keys and wide heads."""
    for found in itertools.chain.from_iterable(tables):
        head_dim, causal, mask, varlen, rows, keys, heads, group, _, handed, ours, torch = found
        if handed and head_dim <= 128 and rows > 1024 and keys >= 128:
            shape = f"{rows} queries, {keys} keys, {heads} heads of {head_dim}"
            name = variant({"causal": causal, "mask": mask, "varlen": varlen, "group": group})
            yield f"{shape}, {name}: {torch / ours:.2f}"


def lines(cells: Iterable[tuple[Any, ...]]) -> str:
    return "".join(f"    {cell!r},\n" for cell in cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--variant", nargs="+", default=[])
    options = parser.parse_args()
    tables = []
    for file in options.files:
        for table in json.loads(file.read_text("utf-8")):
            cells = [row(c) for c in table["cells"] if not options.variant or variant(c) in options.variant]
            tables.append((tuple(table["machine"].values()), cells))
    if not any(cells for _, cells in tables):
        print(f"error: no call of {', '.join(options.variant)} in these files", file=sys.stderr)
        return 1
    for line in beyond(cells for _, cells in tables):
        print(line)
    text = TARGET.read_text("utf-8")
    before, rest = text.split(BEGIN)
    data = "".join(f"({machine!r}, [\n{lines(cells)}]),\n" for machine, cells in tables)
    TARGET.write_text(f"{before}{BEGIN}_DATA: Any = [\n{data}]\n{END}{rest.split(END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
