#!/usr/bin/env python3
"""Resolve lock/*.in and the matrix's torch versions into lock/*.txt, every file pinned by hash.

    make lock, or: bin/sagebuild matrix --json | scripts/lock.py

lock/NAME.in (compilers, uv, zig) is written by hand and becomes lock/NAME.txt. For each torch and Python of the
matrix, the packages that torch brings are split in two: lock/torchNN-libraries.txt, the CUDA libraries that all
Pythons share (one layer in the build), and lock/torchNN-pythonMMM.txt, the rest and the test tools.

Needs uv in the Python that runs this (pip install --require-hashes -r lock/uv.txt), which `make lock` sees to.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "lock"
PLATFORM = "x86_64-manylinux_2_28"
BASE_PYTHON = "3.11"  # the base's own Python, which runs the compilers
TEST_TOOLS = ("pytest", "numpy")
CUDA_LIBRARY = re.compile(r"nvidia-")


def resolve(requirements: str, python: str) -> list[str]:
    """The pinned requirement blocks (name, version and hash lines) that satisfy the requirements."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--generate-hashes", "--no-annotate",
               "--no-header", "--python-version", python, "--python-platform", PLATFORM]
    output = subprocess.run(command, input=requirements, text=True, check=True, stdout=subprocess.PIPE).stdout
    return re.split(r"\n(?=\S)", output.strip())


def write(name: str, blocks: list[str]) -> None:
    path = LOCK / f"{name}.txt"
    aside = path.with_suffix(".tmp")
    aside.write_text("# written by `make lock`\n" + "\n".join(blocks) + "\n")
    aside.rename(path)
    print(f"{path.name}: {len(blocks)} packages")


def lock_tools() -> None:
    for source in sorted(LOCK.glob("*.in")):
        write(source.stem, resolve(source.read_text(), BASE_PYTHON))


def lock_torch(torch: str, pythons: list[str]) -> None:
    digits = "".join(torch.split(".")[:2])
    shared: list[str] | None = None
    for python in pythons:
        blocks = resolve("\n".join((f"torch=={torch}", *TEST_TOOLS)), python)
        libraries = [block for block in blocks if CUDA_LIBRARY.match(block)]
        if shared is not None and libraries != shared:
            sys.exit(f"lock: torch {torch} takes other CUDA libraries on Python {python}; they cannot share a layer")
        shared = libraries
        rest = [block for block in blocks if block not in libraries]
        write(f"torch{digits}-python{python.replace('.', '')}", rest)
    write(f"torch{digits}-libraries", shared or [])


def main() -> None:
    cells = json.load(sys.stdin)["cells"]
    lock_tools()
    pythons: dict[str, set[str]] = {}
    for cell in cells:
        pythons.setdefault(cell["torch"], set()).add(cell["python"])
    for torch, versions in sorted(pythons.items()):
        lock_torch(torch, sorted(versions, key=lambda version: tuple(map(int, version.split(".")))))


if __name__ == "__main__":
    main()
