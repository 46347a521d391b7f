#!/usr/bin/env python3
"""Write which SMs have the very code of an older SM of the same major, kernel by kernel, as a page.

    PYTHONPATH=python:python/tests scripts/same-code.py dist/WHEEL.whl --output docs/same-code.md

A GPU loads an older SM's cubin where a fatbin has none for it, within a major. Code for a target such as sm_90a is
for that SM alone and is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

from support import fatbin

from build_backend.sass import cubin

TITLE = """<!-- Written by scripts/same-code.py. -->
# SMs that have the code of an older one

Kernels of {wheel} whose machine code (the section .text of the
cubin) is the same, byte for byte, as that of an older SM of the same major.

"""

Code = dict[str, dict[str, str]]  # kernel → SM → hash of its code


def version(sm: str) -> tuple[int, ...]:
    return tuple(map(int, sm.split(".")))


def code_of(wheel: Path) -> Code:
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as directory:
        [name] = [name for name in archive.namelist() if name.endswith(".fatbin")]
        code: Code = defaultdict(dict)
        for entry in fatbin.read(archive.read(name)):
            if entry.kind != fatbin.CUBIN or entry.specific:
                continue
            path = Path(directory, f"any.sm_{entry.sm.replace('.', '')}.cubin")
            path.write_bytes(entry.payload)
            for kernel in cubin.kernels(path):
                code[kernel.name][entry.sm] = hashlib.sha256(kernel.code).hexdigest()
    return code


def twin(hashes: dict[str, str], sm: str) -> str | None:
    """The oldest SM of the same major with this SM's code."""
    older = [other for other in hashes if version(other)[0] == version(sm)[0] and version(other) < version(sm)]
    return next((other for other in sorted(older, key=version) if hashes[other] == hashes[sm]), None)


def page(code: Code, wheel: str) -> str:
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kernel, hashes in sorted(code.items()):
        for sm in hashes:
            if other := twin(hashes, sm):
                pairs[sm, other].append(kernel)
    lines = ["| SM | has the code of | kernels, of all that the SM has |", "|---|---|---|"]
    for (sm, other), kernels in sorted(pairs.items(), key=lambda pair: version(pair[0][0])):
        count = sum(sm in hashes for hashes in code.values())
        lines.append(f"| {sm} | {other} | {len(kernels)} of {count}: {', '.join(kernels)} |")
    return TITLE.format(wheel=wheel) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/same-code.md"), metavar="FILE")
    options = parser.parse_args()
    options.output.write_text(page(code_of(options.wheel), options.wheel.name))


if __name__ == "__main__":
    main()
