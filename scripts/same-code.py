#!/usr/bin/env python3
"""Compile what wheels leave out because an older SM has the same code or PTX, compare, and write the result as a page.

    python3 -m pip install --target DIR --require-hashes --no-deps -r lock/toolchain-cu129.txt
    python3 -m pip install --target DIR --require-hashes --no-deps -r lock/ptxas-cu129.txt
    PYTHONPATH=python:python/tests:DIR scripts/same-code.py --output docs/same-code.md

Each run adds or replaces the rows of its compiler. The exit status is 1 if a kernel's code differs: csrc/kernels.toml
must then lose the row [[same]] that says otherwise. So it is with its row [[twin]] if a cubin differs, and with the
list `ptx` of its source if PTX does.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from support import same_code

from build_backend.nvrtc import Nvrtc

PAGE = Path("docs/same-code.md")
TWIN_HEAD = "| NVRTC | SM | has the cubins of | sources | that differ | on |\n|---|---|---|---:|---|---|\n"
PTX_HEAD = "| NVRTC | source | SMs with the same PTX | that differ | on |\n|---|---|---|---|---|\n"
HEAD = "| NVRTC | SM | runs the code of | sources | kernels | that differ | on |\n|---|---|---|---:|---:|---|---|\n"


def row(compiler: Nvrtc, sm: str, of: str, sources: list[Path]) -> tuple[str, bool]:
    """The page's line about a pair of SMs, and whether all is the same."""
    found: dict[str, bool] = {}
    for source in sources:
        found |= same_code.compare(compiler, source, sm, of)
        print(f"{source.name}: compared for {sm} and {of}", file=sys.stderr, flush=True)
    differ = [kernel for kernel, same in found.items() if not same]
    counts = f"{len(sources)} | {len(found)} | {', '.join(differ) or 'none'}"
    return f"| {name(compiler)} | {sm} | {of} | {counts} | {today()} |\n", not differ


def twin_row(compiler: Nvrtc, sm: str, of: str, sources: list[Path]) -> tuple[str, bool]:
    """The page's line about a pair of SMs of which one has the other's cubins, and whether it would get the same."""
    differ = []
    for source in sources:
        differ += [source.name] if same_code.other_twin(compiler, source, sm, of) else []
        print(f"{source.name}: cubins compared for {sm} and {of}", file=sys.stderr, flush=True)
    counts = f"{len(sources)} | {', '.join(differ) or 'none'}"
    return f"| {name(compiler)} | {sm} | {of} | {counts} | {today()} |\n", not differ


def ptx_row(compiler: Nvrtc, source: Path, sms: list[str]) -> tuple[str, bool]:
    """The page's line about a source whose PTX some SMs share, and whether it is the same."""
    differ = same_code.other_ptx(compiler, source, sms)
    print(f"{source.name}: PTX compared for {', '.join(sms)}", file=sys.stderr, flush=True)
    file = source.relative_to(same_code.DEVICE)
    return f"| {name(compiler)} | {file} | {' '.join(sms)} | {', '.join(differ) or 'none'} | {today()} |\n", not differ


def name(compiler: Nvrtc) -> str:
    return ".".join(map(str, compiler.version))


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def with_row(page: str, table: str, line: str, columns: int) -> str:
    """The page with a line in the place of that of the same first columns in a table, or as one more."""
    before, head, after = page.partition(table)
    if not head:
        raise SystemExit(f"error: {PAGE} has no table {table}")
    key = line.split("|")[1 : 1 + columns]
    lines = after.splitlines(keepends=True)
    end = next((at for at, text in enumerate(lines) if not text.startswith("|")), len(lines))
    rows = [text for text in lines[:end] if text.split("|")[1 : 1 + columns] != key] + [line]
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
            options.output.write_text(with_row(options.output.read_text(), HEAD, line, columns=2))
            agree &= same
    for sm, of, sources in same_code.twins():
        if int(sm.replace(".", "")) in known:
            line, same = twin_row(compiler, sm, of, sources)
            options.output.write_text(with_row(options.output.read_text(), TWIN_HEAD, line, columns=2))
            agree &= same
    for source, group in same_code.groups():
        sms = [sm for sm in group if int(sm.replace(".", "")) in known]
        if len(sms) > 1:
            line, same = ptx_row(compiler, source, sms)
            options.output.write_text(with_row(options.output.read_text(), PTX_HEAD, line, columns=3))
            agree &= same
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
