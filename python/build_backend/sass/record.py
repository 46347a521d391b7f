"""What is recorded of the kernels in a cubin: tensor instructions, spills, opcodes that are not known, faults."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from . import assigned, flow, narrow, operands, registers
from .disassembly import Instruction

# Opcodes of the tensor cores, by their beginning: products of a warp, of a warp group, of Blackwell's tensor memory.
_TENSOR = ("BMMA", "DMMA", "HMMA", "IMMA", "OMMA", "QMMA", "BGMMA", "HGMMA", "IGMMA", "QGMMA", "UTC")
_PADDING = ("NOP", "BRA")


class Fault(NamedTuple):
    """An instruction that uses a register without a value. address: from the start of the kernel, in bytes."""

    address: int
    register: str
    text: str


class Record(NamedTuple):
    """What is found in a kernel. tensor, unknown, unclear: opcode → how often; unclear are jumps not followed.

    doubtful: reads of registers that are written on some paths alone. They are no faults: most of these paths cannot be
    taken, which only the values of predicates would show.
    """

    instructions: int
    tensor: dict[str, int]
    spill_loads: int
    spill_stores: int
    unknown: dict[str, int]
    unclear: dict[str, int]
    unreached: int
    doubtful: list[str]
    faults: list[Fault]

    def document(self) -> dict[str, Any]:
        """What is written as JSON: a fault ends the build, so there is none. Empty lists are left out."""
        return {name: value for name, value in self._asdict().items() if value and name != "faults"}


# Every kernel that CUDA 12.6 to 12.9 makes for 8.7 begins by comparing UR2 with zero.
_GIVEN = {"87": registers.group("UR", 2)}


def examine(instructions: list[Instruction], architecture: str) -> Record:
    """The record of a kernel for an SM such as "90a"."""
    entry = instructions[0].address
    graph = flow.build(instructions)
    found = assigned.analyse(graph, entry, _GIVEN.get(architecture, 0))
    opcodes = Counter(instruction.opcode for instruction in instructions)
    jumps = Counter(
        instruction.opcode
        for start in found.reached
        for instruction in graph.blocks[start].instructions
        if instruction.address in graph.unclear
    )
    faults = sorted({*_unwritten(found.reads, entry), *_undecodable(graph, entry)})
    return Record(
        instructions=len(instructions),
        tensor=_sorted({opcode: count for opcode, count in opcodes.items() if opcode.startswith(_TENSOR)}),
        spill_loads=sum(count for opcode, count in opcodes.items() if opcode.split(".")[0] == "LDL"),
        spill_stores=sum(count for opcode, count in opcodes.items() if opcode.split(".")[0] == "STL"),
        unknown=_sorted({opcode: count for opcode, count in opcodes.items() if not operands.known(opcode)}),
        unclear=_sorted(jumps),
        unreached=_unreached(graph, found.reached),
        doubtful=[_told(read.instruction, read.registers, entry) for read in found.reads if not _is_fault(read)],
        faults=faults,
    )


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _unreached(graph: flow.Graph, reached: frozenset[int]) -> int:
    """Instructions that no path leads to, but for the padding at the end of a kernel."""
    blocks = [block for start, block in graph.blocks.items() if start not in reached]
    return sum(instruction.opcode not in _PADDING for block in blocks for instruction in block.instructions)


def _decodes(instruction: Instruction) -> bool:
    return instruction.opcode.startswith("F2FP") and instruction.opcode.endswith("UNPACK_B")


def _is_fault(read: assigned.Read) -> bool:
    """Also a register that some path leaves unwritten, where it is decoded: what ptxas is known to do wrong."""
    return bool(read.never) or _decodes(read.instruction)


def _unwritten(reads: list[assigned.Read], entry: int) -> list[Fault]:
    return [
        Fault(
            read.instruction.address - entry,
            name,
            f"{_told(read.instruction, read.registers, entry)}, before it is written",
        )
        for read in reads
        if _is_fault(read)
        for name in registers.names(read.never or read.registers)
    ]


def _undecodable(graph: flow.Graph, entry: int) -> list[Fault]:
    return [
        Fault(
            decoded.instruction.address - entry,
            name,
            f"{_told(decoded.instruction, decoded.register, entry)}, written by {_line(decoded.writer, entry)}",
        )
        for decoded in narrow.wrongly_decoded(graph)
        for name in registers.names(decoded.register)
    ]


def _told(instruction: Instruction, read: int, entry: int) -> str:
    return f"{_line(instruction, entry)} reads {', '.join(registers.names(read))}"


def _line(instruction: Instruction, entry: int) -> str:
    guard = f"@{instruction.guard} " if instruction.guard else ""
    text = f"{guard}{instruction.opcode} {', '.join(instruction.operands)}".strip()
    return f"{text} at {instruction.address - entry:#x}"
