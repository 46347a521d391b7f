#!/usr/bin/env python3
"""Writes python/sageattention/_shipped.py: the tables that come with the package.

    python -m sageattention tune --json --no-store >tables.json      on a GPU
    scripts/ship-table.py tables.json [MORE.json …] [--variant plain causal …]

Only calls of the named variants are shipped (all by default; "mask", "sequences behind each other" and these with
causal are others), and of the times only those of the choice: the whole measurement belongs to docs/gpu-results.
"""

from __future__ import annotations

import argparse
import json
import pprint
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "python" / "sageattention" / "_shipped.py"
BEGIN, END = "# tables, by scripts/ship-table.py\n", "# end of the tables\n"
WORDS = (("varlen", "sequences behind each other"), ("causal", "causal"), ("masked", "mask"))


def variant(cell: dict[str, object]) -> str:
    """As sageattention._table.Shape.variant."""
    return ", ".join(word for flag, word in WORDS if cell[flag]) or "plain"


def row(cell: dict[str, object]) -> tuple[object, ...]:
    times = cell["times"]
    assert isinstance(times, dict)
    kept = {name: times[name] for name in (cell["kernel"], "torch") if name in times}
    shape = tuple(cell[name] for name in ("head_dim", "causal", "masked", "varlen", "rows", "keys", "heads"))
    return (*shape, cell["kernel"], cell["torch"], kept)


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
    text = TARGET.read_text("utf-8")
    before, rest = text.split(BEGIN)
    data = pprint.pformat(tables, width=116)
    TARGET.write_text(f"{before}{BEGIN}_DATA: Any = {data}\n{END}{rest.split(END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
