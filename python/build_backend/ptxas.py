"""ptxas, NVIDIA's assembler: PTX to the cubin of an SM. NVRTC holds the same one, but lends it to its own PTX alone."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from . import packages
from .errors import BuildError

_PATTERN = "nvidia/*/bin/ptxas"
_INSTALL = "nvidia-cuda-nvcc-cu12"
_TARGET = re.compile(rb"^\.target sm_\w+$", re.MULTILINE)


class Assembled(NamedTuple):
    """Machine code, and ptxas's verbose report."""

    cubin: bytes
    log: str


class Ptxas:
    """ptxas as the Python path has it. Raises BuildError where it is missing."""

    def __init__(self) -> None:
        self._program = packages.find([_PATTERN], "ptxas", _INSTALL)

    def assemble(self, ptx: bytes, name: str, target: str) -> Assembled:
        """Assembles PTX for a target such as sm_86. name is what errors call it. Raises BuildError with ptxas's words.

        The options are those that NVRTC gives to its own: each cubin names them.
        """
        with tempfile.TemporaryDirectory() as directory:
            source, cubin = Path(directory, "source.ptx"), Path(directory, "out.cubin")
            source.write_bytes(ptx)
            command = [str(self._program), "-v", "-arch", target, str(source), "-o", str(cubin)]
            result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
            if result.returncode:
                raise BuildError(f"{name}: ptxas cannot assemble it for {target}:\n{result.stderr.strip()}")
            return Assembled(cubin.read_bytes(), result.stderr)


def retargeted(ptx: bytes, target: str) -> bytes:
    """The same PTX for a newer SM: its line .target says so. Raises BuildError for a text without that line."""
    text, lines = _TARGET.subn(b".target " + target.encode(), ptx, count=1)
    if not lines:
        raise BuildError(f"no line .target in the PTX that was to be made for {target}")
    return text
