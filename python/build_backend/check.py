"""check: what the compiler made. Disassembles cubins, and fails for kernels that read registers without a value.

Beside each cubin goes a record, NAME.sm_90.json: the cubin's SHA-256 and, of each kernel, its tensor instructions,
spills, and whatever could not be checked. See docs/sass.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from itertools import groupby
from pathlib import Path
from typing import Any

from . import handover
from .errors import BuildError
from .sass import cubin, disassembly, record

_HINT = "write the expression another way, or compile this SM with another CUDA: docs/sass.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, help="directory for the records; without it, they are printed")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="cubin, or directory of cubins")


def run(arguments: argparse.Namespace) -> int:
    """Checks every cubin before it reports faults, so that one run shows all."""
    cubins = _cubins(arguments.paths)
    disassembler = disassembly.Disassembler()
    faults = []
    for architecture, group in groupby(cubins, key=cubin.architecture):
        paths = list(group)
        kernels = [(path, kernel) for path in paths for kernel in cubin.kernels(path)]
        pieces = disassembler.read(architecture, [kernel.code for _, kernel in kernels])
        records = [record.examine(piece, architecture) for piece in pieces]
        for path in paths:
            found = {kernel.name: one for (owner, kernel), one in zip(kernels, records) if owner == path}
            _write(path, _document(path, disassembler, architecture, found), arguments.output)
            faults += [f"{path.name}: {name}: {fault.text}" for name, one in found.items() for fault in one.faults]
        _report(architecture, records)
    if faults:
        raise BuildError("the compiler made code that uses registers without a value:\n  " + "\n  ".join(faults), _HINT)
    return 0


def _cubins(paths: list[Path]) -> list[Path]:
    """The cubins that are named or lie in a named directory, by SM."""
    found = []
    for path in paths:
        found += sorted(path.glob("*.cubin")) if path.is_dir() else [path]
    if not found:
        raise BuildError(f"no cubin in {', '.join(map(str, paths))}", "python3 -m build_backend compile --help")
    return sorted(found, key=lambda path: (cubin.architecture(path), path.name))


def _document(
    path: Path, disassembler: disassembly.Disassembler, architecture: str, records: dict[str, record.Record]
) -> dict[str, Any]:
    """What is written of a cubin."""
    read_as = disassembly.read_as(architecture)
    return {
        "cubin": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "nvdisasm": disassembler.version,
        **({"read_as": f"SM{read_as}"} if read_as != architecture else {}),
        "kernels": {name: one.document() for name, one in sorted(records.items())},
    }


def _write(path: Path, document: dict[str, Any], directory: Path | None) -> None:
    text = json.dumps(document, indent=1) + "\n"
    if directory is None:
        print(text, end="")
    else:
        handover.write(directory / path.with_suffix(".json").name, text.encode())


def _report(architecture: str, records: list[record.Record]) -> None:
    unknown = sorted({opcode for one in records for opcode in one.unknown})
    doubtful = sum(len(one.doubtful) for one in records)
    unreached = sum(one.unreached for one in records)
    parts = [f"{len(records)} kernels, {sum(one.instructions for one in records)} instructions"]
    parts += [f"{doubtful} doubtful reads"] if doubtful else []
    parts += [f"{unreached} instructions not reached"] if unreached else []
    parts += [f"opcodes not known: {', '.join(unknown)}"] if unknown else []
    print(f"sm_{architecture} checked: {'; '.join(parts)}", flush=True)
