"""What predicates are made of: P0 = a comparison and P1. A register may keep one: R1 = P0, and later P2 = R1 != 0."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from .disassembly import Instruction
from .registers import PREDICATES, general, group, predicate

# That a predicate is true, or false, is a literal: one bit of an integer, bit 2 n for predicate n being false, bit
# 2 n + 1 for its being true. That general register n is not zero, or is, comes after the 16 predicates. A set of
# literals is their sum.
_PREDICATES, _REGISTERS = 16, 256
_ONE = re.compile(r"0x(1|2|4|8|10|20|40)$")  # the mask of one of P0 to P6
_TRUE = int("10" * (_PREDICATES + _REGISTERS), 2)


class Equation(NamedTuple):
    """result is the bit of table at the number whose binary digits are the sources: a truth table. "" is anything."""

    result: str
    sources: tuple[str, ...]
    table: int


def keeping(instruction: Instruction) -> int:
    """The register that keeps one predicate: R1 in P2R R1, PR, RZ, 0x4, which is P2. 0 for another instruction."""
    operands = instruction.operands
    if instruction.opcode != "P2R" or operands[-2:-1] != ("RZ",) or not _ONE.match(operands[-1]):
        return 0
    return general(operands[0])


def equations(instruction: Instruction, keepers: int = 0) -> tuple[Equation, ...]:
    """What an instruction makes true or false. keepers: registers of which it matters whether they are zero."""
    base, *modifiers = instruction.opcode.split(".")
    operands = instruction.operands
    if keepers & keeping(instruction):
        source = f"P{int(operands[-1], 16).bit_length() - 1}"
        return (Equation(operands[0], (source,), 0b10),)
    if base.endswith("PLOP3"):
        return tuple(Equation(result, operands[2:5], int(table, 16)) for result, table in zip(operands, operands[5:]))
    if source := _joined(instruction):
        table = 0b1000 if "AND" in modifiers else 0b1110
        compared = _compared(instruction, keepers)
        return tuple(Equation(result, (one, source), table) for result, one in zip(operands, compared))
    return ()


def needing(instruction: Instruction) -> int:
    """The literal under which a comparison matters: P1 in "R1 < R2 and P1", !P1 in "R1 < R2 or P1". 0: always."""
    if "SETP" not in instruction.opcode:
        return 0
    source = literal(_joined(instruction))
    return source if "AND" in instruction.opcode.split(".") else opposite(source)


def _joined(instruction: Instruction) -> str:
    """The predicate that a comparison is joined with; "" for another instruction."""
    base, *modifiers = instruction.opcode.split(".")
    if not base.endswith("SETP") or not {"AND", "OR"} & set(modifiers):
        return ""
    return instruction.operands[-2 if modifiers[-1] == "EX" else -1]


def _compared(instruction: Instruction, keepers: int) -> tuple[str, str]:
    """The comparison and its opposite as sources: ISETP.NE of a keeper with zero. "" is anything."""
    base, comparison, *_ = instruction.opcode.split(".")
    register = instruction.operands[2].replace(".reuse", "")
    if base != "ISETP" or instruction.operands[3] != "RZ" or not keepers & general(register):
        return "", ""
    return {"NE": (register, "!" + register), "EQ": ("!" + register, register)}.get(comparison, ("", ""))


@cache
def literal(text: str) -> int:
    """ "!P0" → the literal, "R1" for R1 != 0; 0 for PT, and for what is neither."""
    if found := predicate(text):
        return 1 << 2 * (found[0].bit_length() - PREDICATES.bit_length() + _PREDICATES - 1) + found[1]
    if register := general(text.lstrip("!")):
        return 1 << 2 * (_PREDICATES + register.bit_length() - 1) + (not text.startswith("!"))
    return 0


def opposite(literals: int) -> int:
    """The same predicates, the other way."""
    return (literals & _TRUE) >> 1 | (literals & ~_TRUE) << 1


@cache
def literals(registers: int) -> int:
    """Both of each predicate and each general register in a set."""
    predicates = registers >> PREDICATES.bit_length() - _PREDICATES
    found = sum(3 << 2 * number for number in range(_PREDICATES) if predicates >> number & 1)
    general_registers = registers & group("R", 0, _REGISTERS)
    while general_registers:
        number = general_registers.bit_length() - 1
        found |= 3 << 2 * (_PREDICATES + number)
        general_registers &= ~(1 << number)
    return found
