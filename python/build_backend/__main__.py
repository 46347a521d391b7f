"""Command line: `python3 -m build_backend compile|assemble|relabel|check|fatbin|host|sbom|wheel …`."""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from .errors import BuildError

COMMANDS = {
    "compile": "compile device sources to cubins (and PTX) by NVRTC",
    "assemble": "make cubins of PTX that SMs share, by ptxas",
    "relabel": "make cubins of those of an older SM that has the same code",
    "check": "look for faults of the compiler in cubins, and record what is in them",
    "fatbin": "pack cubins and PTX into one fatbin",
    "host": "compile the C library by zig",
    "sbom": "write what a wheel was made with",
    "wheel": "write a wheel",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, importing only its module; returns the exit status (0 ok, 1 failed, 2 usage)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="build_backend", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if arguments[:1] == [name]:
            _module(name).add_arguments(command)
    parsed = parser.parse_args(arguments)
    try:
        return _module(parsed.command).run(parsed) or 0
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        if hint := getattr(error, "hint", None):
            print(f"hint: {hint}", file=sys.stderr)
    return 1


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{command}")


if __name__ == "__main__":
    gc.disable()  # a command soon ends and leaves no cycles: to look for them takes a third of what check does
    sys.exit(main())
