#!/usr/bin/env python3
"""Resolve lock/*.in and the matrix's torch versions into lock/*.txt, every file pinned by hash.

    make lock, make lock-missing, or: bin/sagebuild matrix --json | scripts/lock.py [--missing]

lock/NAME.in (compilers, assemblers, uv, zig, the programs of lint, pytest-xdist, callers of the package) is written by
hand and becomes lock/NAME.txt. For each torch and Python that wheels are tested on, torch's packages are split in two:
lock/torchNN-libraries.txt, the CUDA libraries that all Pythons share (one layer in the build), and
lock/torchNN-pythonMMM.txt, the other packages and the test tools. A platform that needs an emulator takes torch without
CUDA, as PyPI has it, and one file: lock/torchNN-pythonMMM-PLATFORM.txt.

--missing writes the files that are not there yet and leaves the pins of the others.

Needs uv in the Python that runs this (pip install --require-hashes -r lock/uv.txt), which make sees to.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).resolve().parent.parent / "lock"
UV_PLATFORMS = {
    "linux": "x86_64-manylinux_2_28",
    "linux-arm64": "aarch64-manylinux_2_28",
    "windows": "x86_64-pc-windows-msvc",
}
BASE_PLATFORM, BASE_PYTHON = "linux", "3.11"  # the base's own Python runs the compilers
# numpy 2.1 and newer call crealf of the C runtime, which Wine 8.0 does not have.
# Triton 3.2 imports setuptools and does not ask for it.
TEST_TOOLS = {
    "linux": ("pytest", "numpy", "setuptools"),
    "linux-arm64": ("pytest", "numpy"),
    "windows": ("pytest", "numpy<2.1"),
}
# The runtime in which mypy reads the package beside torch's own types (python/tests/installed/test_types.py), and in
# which programs call it (test_integration_*.py beside).
EQUIPPED = ("linux", "2.8.0", "3.12")
CUDA_LIBRARY = re.compile(r"nvidia-")


class Runtime(NamedTuple):
    """A torch and the Pythons that wheels of a platform are tested on with it."""

    platform: str
    emulated: bool
    torch: str
    pythons: list[str]

    def libraries(self) -> str:
        """The name of the file with the CUDA libraries."""
        return f"torch{self.digits()}-libraries"

    def packages(self, python: str) -> str:
        """The name of the file with all else."""
        suffix = f"-{self.platform}" if self.emulated else ""
        return f"torch{self.digits()}-python{python.replace('.', '')}{suffix}"

    def digits(self) -> str:
        return "".join(self.torch.split(".")[:2])


def resolve(requirements: str, python: str, platform: str, *options: str) -> list[str]:
    """The pinned requirement blocks (name, version and hash lines) that satisfy the requirements."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--generate-hashes", "--no-annotate",
               "--no-header", "--python-version", python, "--python-platform", UV_PLATFORMS[platform], *options]
    output = subprocess.run(command, input=requirements, text=True, check=True, stdout=subprocess.PIPE).stdout
    return blocks_of(output)


def blocks_of(text: str) -> list[str]:
    return re.split(r"\n(?=\S)", text.strip())


def write(name: str, blocks: list[str]) -> None:
    path = LOCK / f"{name}.txt"
    aside = path.with_suffix(".tmp")
    aside.write_text("# written by `make lock`\n" + "\n".join(blocks) + "\n")
    aside.rename(path)
    print(f"{path.name}: {len(blocks)} packages")


def exists(name: str) -> bool:
    return (LOCK / f"{name}.txt").exists()


def lock_tools(missing: bool) -> None:
    for source in sorted(LOCK.glob("*.in")):
        if not (missing and exists(source.stem)):
            # Of the package with ptxas the assembler alone is wanted, not the compilers that the package drives;
            # pytest-xdist joins the pytest that is there.
            alone = ["--no-deps"] if source.stem.startswith(("ptxas-", "pytest-xdist")) else []
            write(source.stem, resolve(source.read_text(), BASE_PYTHON, BASE_PLATFORM, *alone))


def read(name: str) -> list[str]:
    """The pinned requirement blocks of a file that write() left."""
    text = (LOCK / f"{name}.txt").read_text()
    return blocks_of(text.partition("\n")[2])


def lock_native(runtime: Runtime, missing: bool) -> None:
    """The files of a torch with its CUDA libraries, which all Pythons must agree on."""
    shared = read(runtime.libraries()) if missing and exists(runtime.libraries()) else None
    for python in runtime.pythons:
        if missing and exists(runtime.packages(python)):
            continue
        blocks = torch_packages(runtime, python)
        libraries = [block for block in blocks if CUDA_LIBRARY.match(block)]
        if shared is not None and libraries != shared:
            sys.exit(
                f"lock: torch {runtime.torch} takes other CUDA libraries on Python {python}; they cannot share a layer."
                f" Remove lock/torch{runtime.digits()}-* and lock it anew"
            )
        shared = libraries
        write(runtime.packages(python), [block for block in blocks if block not in libraries])
    write(runtime.libraries(), shared or [])


def lock_emulated(runtime: Runtime, missing: bool) -> None:
    for python in runtime.pythons:
        if not (missing and exists(runtime.packages(python))):
            write(runtime.packages(python), torch_packages(runtime, python))


def torch_packages(runtime: Runtime, python: str) -> list[str]:
    tools = [*TEST_TOOLS[runtime.platform], *equipment(runtime, python)]
    return resolve("\n".join((f"torch=={runtime.torch}", *tools)), python, runtime.platform)


def equipment(runtime: Runtime, python: str) -> list[str]:
    """The mypy of lint.in and the programs of clients.in and kernels.in, for the runtime that has them."""
    if (runtime.platform, runtime.torch, python) != EQUIPPED:
        return []
    return pins("lint", "mypy") + pins("clients", ".*") + pins("kernels", ".*")


def pins(name: str, package: str) -> list[str]:
    """The lines of lock/NAME.in that pin packages of that name, a regular expression."""
    return re.findall(rf"^{package}==.*$", (LOCK / f"{name}.in").read_text(), re.MULTILINE)


def runtimes(cells: list[dict]) -> list[Runtime]:
    """What the wheels of the matrix are tested on."""
    pythons: dict[tuple[str, bool, str], set[str]] = {}
    for cell in cells:
        for on in cell["runtimes"]:
            key = cell["platform"]["name"], bool(cell["platform"]["emulator"]), on["torch"]
            pythons.setdefault(key, set()).add(on["python"])
    return [
        Runtime(*key, sorted(versions, key=lambda version: tuple(map(int, version.split(".")))))
        for key, versions in sorted(pythons.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="write only the files that are not there yet")
    missing = parser.parse_args().missing
    lock_tools(missing)
    for runtime in runtimes(json.load(sys.stdin)["cells"]):
        if runtime.emulated:
            lock_emulated(runtime, missing)
        elif not (missing and all(map(exists, map(runtime.packages, runtime.pythons)))):
            lock_native(runtime, missing)


if __name__ == "__main__":
    main()
