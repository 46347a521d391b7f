"""Instructions of machine code, by NVIDIA's nvdisasm: one run for all kernels of an SM."""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import Any, NamedTuple

from .. import packages
from ..errors import BuildError

INSTRUCTION_BYTES = 16
_PATTERN = "nvidia/*/bin/nvdisasm"
_INSTALL = "nvidia-cuda-nvdisasm"

# SMs that nvdisasm refuses, and the one that has all their instructions. nvdisasm 13 no longer reads 7.0: read as 7.5,
# all 88,221 instructions of this project's kernels for 7.0 are what nvdisasm 12.8 makes of them as 7.0.
_READ_AS = {"70": "75"}


class Instruction(NamedTuple):
    """opcode and operands are nvdisasm's: "LDG.E" and ("R8", "desc[UR4][R2.64+0x8]").

    address: in the code that was read, in bytes, as in the targets of jumps. guard: the predicate it is executed under,
    such as "!P0", or "". jump: it may go elsewhere than to the next one.
    """

    address: int
    guard: str
    opcode: str
    operands: tuple[str, ...]
    jump: bool


def read_as(architecture: str) -> str:
    """The architecture whose instructions those of another are read as: its own, but for what nvdisasm refuses."""
    return _READ_AS.get(architecture, architecture)


class Disassembler:
    """nvdisasm as the Python path has it. Raises BuildError where it is missing."""

    def __init__(self) -> None:
        self._program = packages.find([_PATTERN], "nvdisasm", _INSTALL)
        self.version = ""

    def read(self, architecture: str, codes: list[bytes]) -> list[list[Instruction]]:
        """The instructions of pieces of machine code for an SM such as "90a". Raises BuildError for other bytes."""
        document = self._run(read_as(architecture), b"".join(codes))
        entries = [entry for function in document[1] for entry in function["sass-instructions"]]
        if len(entries) * INSTRUCTION_BYTES != sum(map(len, codes)):
            raise BuildError(f"nvdisasm found {len(entries)} instructions in {sum(map(len, codes))} bytes")
        self.version = document[0]["Producer"].removeprefix("nvdisasm V").split()[0]
        pieces, start = [], 0
        for code in codes:
            end = start + len(code) // INSTRUCTION_BYTES
            pieces.append(_instructions(entries[start:end], start * INSTRUCTION_BYTES))
            start = end
        return pieces

    def _run(self, architecture: str, code: bytes) -> Any:
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(code)
            file.flush()
            command = [str(self._program), "--binary", f"SM{architecture}", "--emit-json", file.name]
            result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode:
            raise BuildError(f"nvdisasm cannot read SM{architecture}: {result.stderr.decode(errors='replace').strip()}")
        return json.loads(result.stdout)


def parse(text: str) -> list[Instruction]:
    """The instructions of nvdisasm's JSON, as of one kernel."""
    return _instructions([entry for function in json.loads(text)[1] for entry in function["sass-instructions"]], 0)


def _instructions(entries: list[dict[str, Any]], base: int) -> list[Instruction]:
    """base: the address of the first, counted as nvdisasm counts the targets of jumps."""
    return [
        Instruction(
            base + index * INSTRUCTION_BYTES,
            entry.get("predicate", "")[1:],
            entry["opcode"],
            tuple(entry["operands"].split(",")) if entry.get("operands") else (),
            "control-flow" in entry.get("other-attributes", ()),
        )
        for index, entry in enumerate(entries)
    ]
