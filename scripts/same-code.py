#!/usr/bin/env python3
"""Compile what wheels leave out because an older SM has the same code, compare, and write the result as a page.

    python3 -m pip install --target DIR --require-hashes --no-deps -r lock/toolchain-cu129.txt
    PYTHONPATH=python:python/tests:DIR scripts/same-code.py --output docs/same-code.md

Each run adds or replaces the row of its compiler. The exit status is 1 if a kernel's code differs: csrc/kernels.toml
must then lose the row [[same]] that says otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from support import same_code

from build_backend.nvrtc import Nvrtc

PAGE = Path("docs/same-code.md")
HEAD = "| NVRTC | SM | runs the code of | sources | kernels | that differ | on |\n|---|---|---|---:|---:|---|---|\n"


def row(compiler: Nvrtc, sm: str, of: str, sources: list[Path]) -> tuple[str, bool]:
    """The page's line about a pair of SMs, and whether all is the same."""
    found: dict[str, bool] = {}
    for source in sources:
        found |= same_code.compare(compiler, source, sm, of)
        print(f"{source.name}: compared for {sm} and {of}", file=sys.stderr, flush=True)
    differ = [kernel for kernel, same in found.items() if not same]
    version = ".".join(map(str, compiler.version))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    line = f"| {version} | {sm} | {of} | {len(sources)} | {len(found)} | {', '.join(differ) or 'none'} | {day} |\n"
    return line, not differ


def with_row(page: str, line: str) -> str:
    """The page with a line in the place of that of the same compiler and SM, or as one more."""
    before, head, after = page.partition(HEAD)
    if not head:
        raise SystemExit(f"error: {PAGE} has no table of NVRTC's code")
    key = line.split("|")[1:3]
    lines = after.splitlines(keepends=True)
    end = next((at for at, text in enumerate(lines) if not text.startswith("|")), len(lines))
    rows = [text for text in lines[:end] if text.split("|")[1:3] != key] + [line]
    return before + head + "".join(sorted(rows)) + "".join(lines[end:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE", help="the page to change")
    options = parser.parse_args()
    compiler = Nvrtc()
    known = set(compiler.supported())
    agree = True
    for sm, of, sources in same_code.pairs():
        if int(sm.replace(".", "")) in known:
            line, same = row(compiler, sm, of, sources)
            options.output.write_text(with_row(options.output.read_text(), line))
            agree &= same
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
