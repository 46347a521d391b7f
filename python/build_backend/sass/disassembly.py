"""Instructions of machine code, by NVIDIA's nvdisasm: one run for all kernels of an SM.

Two fifths of the instructions in kernels are there before, byte for byte. nvdisasm reads each once, which takes as much
less time. What it prints of an instruction depends on its place in one way alone: jumps name addresses.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .. import packages
from ..errors import BuildError

INSTRUCTION_BYTES = 16
_PATTERN = "nvidia/*/bin/nvdisasm"
_INSTALL = "nvidia-cuda-nvdisasm"

# SMs that nvdisasm refuses, and the one that has all their instructions. nvdisasm 13 no longer reads 7.0: read as 7.5,
# all 88,221 instructions of this project's kernels for 7.0 are what nvdisasm 12.8 makes of them as 7.0.
_READ_AS = {"70": "75"}

# Where instructions are read, away from their places: so far from zero that a number near it is an address there, which
# a jump counts from its own. Other numbers have 32 bits.
_AWAY = 1 << 44
_NEAR = 1 << 40


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
        """The instructions of pieces of machine code for an SM such as "90a". Raises BuildError for other bytes.

        Their addresses are those in the pieces one behind another.
        """
        words = list(dict.fromkeys(word for code in codes for word in _words(code)))
        found = dict(zip(words, self._somewhere(read_as(architecture), words)))
        pieces, start = [], 0
        for code in codes:
            places = range(start, start + len(code), INSTRUCTION_BYTES)
            pieces.append([_at(address, found[word]) for address, word in zip(places, _words(code))])
            start += len(code)
        return pieces

    def _somewhere(self, architecture: str, words: Sequence[bytes]) -> list[_Anywhere]:
        """Instructions without their places."""
        document = self._run(architecture, b"".join(words))
        entries = [entry for function in document[1] for entry in function["sass-instructions"]]
        if len(entries) != len(words):
            raise BuildError(f"nvdisasm found {len(entries)} instructions where {len(words)} are")
        self.version = document[0]["Producer"].removeprefix("nvdisasm V").split()[0]
        return [_Anywhere(instruction, _distance(instruction)) for instruction in _instructions(entries, _AWAY)]

    def _run(self, architecture: str, code: bytes) -> Any:
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(code)
            file.flush()
            options = [f"--binary=SM{architecture}", f"--base-address={_AWAY:#x}", "--no-dataflow", "--emit-json"]
            result = subprocess.run([str(self._program), *options, file.name], capture_output=True, check=False)
        if result.returncode:
            raise BuildError(f"nvdisasm cannot read SM{architecture}: {result.stderr.decode(errors='replace').strip()}")
        return json.loads(result.stdout)


class _Anywhere(NamedTuple):
    """An instruction, and how far from it the address is that it ends with; None if it names none."""

    instruction: Instruction
    distance: int | None


def _words(code: bytes) -> Iterator[bytes]:
    """Machine code by the instruction. Raises BuildError for a part of one."""
    if len(code) % INSTRUCTION_BYTES:
        raise BuildError(f"{len(code)} bytes are no whole number of instructions")
    return (code[start : start + INSTRUCTION_BYTES] for start in range(0, len(code), INSTRUCTION_BYTES))


def _distance(instruction: Instruction) -> int | None:
    """How far a jump goes, if it counts from its own address."""
    if not instruction.jump or not instruction.operands or not instruction.operands[-1].startswith("0x"):
        return None
    distance = int(instruction.operands[-1], 16) - instruction.address
    return distance if abs(distance) < _NEAR else None


def _at(address: int, found: _Anywhere) -> Instruction:
    """An instruction in its place."""
    (_, guard, opcode, operands, jump), distance = found
    if distance is not None:
        operands = (*operands[:-1], hex(address + distance))
    return Instruction(address, guard, opcode, operands, jump)


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
