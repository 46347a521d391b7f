"""host: the C library by zig, for any target from any machine."""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from . import handover
from .errors import BuildError

OPTIONS = (
    "-shared", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-g0", "-s",
)  # fmt: skip


class Platform(NamedTuple):
    """What one kind of target needs besides OPTIONS. {name} is the library's file name."""

    options: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})


PLATFORMS = {
    "linux": Platform(
        ("-fPIC", "-Wl,--build-id=none", "-Wl,-soname,{name}"), ("-ldl", "-lpthread", "-lm")
    ),
    # A DLL holds the time at which it was linked: the linker takes 1980-01-01 from here.
    "windows": Platform(environment={"SOURCE_DATE_EPOCH": "315532800"}),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", required=True, help="zig target, such as x86_64-linux-gnu.2.17")
    parser.add_argument(
        "--output", required=True, type=pathlib.Path, help="shared library to write"
    )
    parser.add_argument("sources", nargs="+", type=pathlib.Path, metavar="SOURCE.c")


def run(arguments: argparse.Namespace) -> None:
    """Compiles and links the sources; the same sources give the same bytes wherever they lie."""
    platform = platform_of(arguments.target)
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory, arguments.output.name)
        command = command_line(arguments.target, output, sorted(arguments.sources))
        environment = {**os.environ, **platform.environment}
        result = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment
        )
        if result.returncode or not output.exists():
            _explain(command, result)
        handover.write(arguments.output, output.read_bytes(), 0o755)
    print(f"{arguments.output.name}: {arguments.target}, {arguments.output.stat().st_size} bytes")


def platform_of(target: str) -> Platform:
    """The platform of a zig target such as x86_64-linux-gnu.2.17. Raises BuildError for one that is not known."""
    system = [*target.split("-"), ""][1]
    if system not in PLATFORMS:
        raise BuildError(
            f"target {target!r}: it is not for {' or '.join(PLATFORMS)}",
            "python3 -m build_backend host --target x86_64-linux-gnu.2.17 …",
        )
    return PLATFORMS[system]


def command_line(target: str, output: pathlib.Path, sources: Sequence[pathlib.Path]) -> list[str]:
    """The zig command. Paths of this machine are mapped away."""
    platform = platform_of(target)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *OPTIONS]
    command += [option.format(name=output.name) for option in platform.options]
    command += ["-o", str(output)]
    for directory in sorted({source.resolve().parent for source in sources}):
        command.append(f"-ffile-prefix-map={directory}=.")
    command += [str(source.resolve()) for source in sources]
    return [*command, *platform.libraries]


def _explain(command: Sequence[str], result: subprocess.CompletedProcess[str]) -> NoReturn:
    output = result.stdout + result.stderr
    if "No module named ziglang" in output:
        raise BuildError("zig not found on the Python path", "pip install ziglang")
    raise BuildError(f"{' '.join(command)}\n{output}")
