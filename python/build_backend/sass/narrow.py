"""Decoding of packed narrow floats: whether what is decoded can be packed numbers at all.

ptxas of CUDA 12.6 to 12.9 for SM 9.0 sometimes decodes a register before it writes the packed number to it. A register
that was used for something else before has a value, so that no analysis of assignment finds it. But the instruction
that wrote the register tells what the value is: an address, a sum, a thread index. So every instruction that may have
written the register must be one that can give packed numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from .disassembly import Instruction
from .flow import Graph
from .operands import access
from .registers import STACK_POINTER

# Conversions to narrow floats, loads and exchanges of data, and what puts bytes together.
_GIVING = frozenset(
    ("F2FP", "LD", "LDG", "LDL", "LDS", "LDSM", "LOP3", "MOV", "PRMT", "SEL", "SGXT", "SHF", "SHFL")
)
_MOVES = frozenset(("IMAD.MOV", "IMAD.MOV.U32", "IMAD.SHL.U32", "IMAD.U32", "LEA"))


class Decoded(NamedTuple):
    """A decoding instruction, the register, and the one that wrote it."""

    instruction: Instruction
    register: int
    writer: Instruction


def wrongly_decoded(graph: Graph) -> list[Decoded]:
    """The instructions that decode a register which cannot hold packed numbers, by address."""
    before: dict[int, list[int]] = {}
    for start, block in graph.blocks.items():
        for edge in block.edges:
            before.setdefault(edge.target, []).append(start)
    found = []
    for start in sorted(graph.blocks):
        for position, instruction in enumerate(graph.blocks[start].instructions):
            if instruction.opcode.startswith("F2FP") and instruction.opcode.endswith("UNPACK_B"):
                register = access(instruction.opcode, instruction.operands).reads
                for writer in _writers(graph, before, start, position, register):
                    if not _gives(writer, register):
                        found.append(Decoded(instruction, register, writer))
    return found


def _gives(writer: Instruction, register: int) -> bool:
    base = writer.opcode.split(".")[0]
    join = base == "IMAD" and writer.operands[2:3] in (("0x100",), ("0x10000",), ("0x1000000",))  # shift and add
    return register != STACK_POINTER and (base in _GIVING or writer.opcode in _MOVES or join)


def _writers(graph: Graph, before: dict[int, list[int]], start: int, position: int, register: int) -> list[Instruction]:
    """The instructions whose value a register may hold before one, by address."""
    found: dict[int, Instruction] = {}
    waiting, seen = [(start, position)], set()
    while waiting:
        block, end = waiting.pop()
        instructions = graph.blocks[block].instructions
        for instruction in reversed(instructions[:end]):
            if register & access(instruction.opcode, instruction.operands).writes:
                found[instruction.address] = instruction
                if not instruction.guard:
                    break
        else:
            new = [start for start in before.get(block, ()) if start not in seen]
            seen.update(new)
            waiting += [(start, len(graph.blocks[start].instructions)) for start in new]
    return [found[address] for address in sorted(found)]
